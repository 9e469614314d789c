import { signal } from '@preact/signals';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type ApiError, type Path, put } from '../api.js';
import { overview } from '../live.js';

/** Something that an operator does, asked about before it is done. */
export interface Action {
  /** The button: one or two words. */
  readonly label: string;
  /** What the dialog asks. */
  readonly question: string;
  /** What happens then, in a sentence. */
  readonly effect: string;
  readonly path: Path;
  readonly body: object;
  /** Told when it is done. */
  readonly done: string;
  readonly isDangerous?: boolean;
}

const asked = signal<{ action: Action; onDone: () => void } | undefined>(undefined);
/** What was done last, for the live region. */
export const notice = signal('');

/** @param onDone reads again what the action has changed */
export function ActionButton({ action, onDone }: { readonly action: Action; readonly onDone: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  // What has been done is offered no longer: the focus goes on to what can be done now.
  useLayoutEffect(
    () => () => {
      const { current } = button;
      if (current !== document.activeElement) return;
      const next = current?.nextElementSibling ?? current?.previousElementSibling;
      if (next instanceof HTMLElement) next.focus();
    },
    [],
  );
  return (
    <button
      ref={button}
      type="button"
      class={action.isDangerous ? 'button is-dangerous' : 'button'}
      onClick={() => {
        asked.value = { action, onDone };
      }}
    >
      {action.label}
    </button>
  );
}

/** Asks whether an action should be done, and why. */
export function ActionDialog() {
  const current = asked.value;
  return current && <OpenDialog key={current.action.question} {...current} />;
}

function OpenDialog({ action, onDone }: { readonly action: Action; readonly onDone: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState('');
  const [error, setError] = useState<ApiError>();
  const [isSending, setSending] = useState(false);
  useLayoutEffect(() => dialog.current?.showModal(), []);
  const close = (): void => {
    // Gives the focus back to the button that opened it.
    dialog.current?.close();
    asked.value = undefined;
  };
  const send = async (): Promise<void> => {
    setSending(true);
    try {
      await put(action.path, { ...action.body, ...(reason.trim() !== '' && { reason: reason.trim() }) });
      notice.value = action.done;
      onDone();
      overview.refresh();
      close();
    } catch (caught) {
      setError(caught as ApiError);
      setSending(false);
    }
  };
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="dialog-title" aria-describedby="dialog-effect" onClose={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <h2 id="dialog-title">{action.question}</h2>
        <p id="dialog-effect">{action.effect}</p>
        <label class="field">
          <span>Reason</span>
          <input
            type="text"
            maxLength={256}
            value={reason}
            aria-describedby="dialog-reason"
            onInput={(event) => setReason(event.currentTarget.value)}
          />
        </label>
        <p id="dialog-reason" class="muted">
          The journal keeps it, with who did this.
        </p>
        {error && (
          <p class="dialog-error" role="alert">
            {error.message}
          </p>
        )}
        <div class="dialog-buttons">
          <button type="button" class="button" onClick={close}>
            Cancel
          </button>
          <button
            type="submit"
            class={`button ${action.isDangerous ? 'is-dangerous-solid' : 'is-primary'}`}
            disabled={isSending}
          >
            {action.label}
          </button>
        </div>
      </form>
    </dialog>
  );
}
