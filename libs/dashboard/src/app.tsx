import { type ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { hasToken } from './api.js';
import { connection, followJournal, isCutOff, overview, signIn, tokenAsked } from './live.js';
import { ActionDialog, notice } from './parts/action-dialog.js';
import { Empty, Failure, Heading } from './parts/basics.js';
import { ThemeSwitch } from './parts/theme.js';
import { href, route } from './router.js';
import { CallsView } from './views/calls.js';
import { InstanceView } from './views/instance.js';
import { JournalView } from './views/journal.js';
import { faultsOf, OverviewView } from './views/overview.js';
import { ServiceView } from './views/service.js';
import { ServicesView } from './views/services.js';
import { TopologyView } from './views/topology.js';

const VIEWS: readonly { readonly path: string; readonly title: string; readonly icon: string }[] = [
  { path: '', title: 'Overview', icon: 'M2 2h5v7H2V2Zm7 0h5v4H9V2ZM2 11h5v3H2v-3Zm7-3h5v6H9V8Z' },
  { path: 'services', title: 'Services', icon: 'M2 3h12v2.5H2V3Zm0 4h12v2.5H2V7Zm0 4h12v2.5H2V11Z' },
  {
    path: 'topology',
    title: 'Topology',
    icon: 'M5.5 1h5v4H8.75v2H12v4h2v4H9.5v-4H11V8.25H5V11h1.5v4H2v-4h2V7h3.25V5H5.5V1Z',
  },
  {
    path: 'calls',
    title: 'Calls',
    icon: 'M1 13h14v1.5H1V13Zm1-4.5 3.5-3 3 2.5L13.5 3l1 1.1-6 5.5-3-2.4L3 9.6l-1-1.1Z',
  },
  { path: 'journal', title: 'Journal', icon: 'M3 1h10v14H3V1Zm2 3v1.3h6V4H5Zm0 3v1.3h6V7H5Zm0 3v1.3h4V10H5Z' },
];

export function App() {
  const isAsked = tokenAsked.value !== undefined;
  useEffect(() => {
    if (isAsked) return undefined;
    const ended = new AbortController();
    void followJournal(ended.signal);
    return () => ended.abort();
  }, [isAsked]);
  return (
    <div class="app">
      <a class="skip" href="#main" onClick={focusMain}>
        Skip to the content
      </a>
      <Sidebar />
      <main id="main" tabIndex={-1}>
        {isAsked ? (
          <SignIn why={tokenAsked.value ?? ''} />
        ) : (
          <>
            <CutOff />
            <CurrentView />
          </>
        )}
      </main>
      <ActionDialog />
      <div class="notice" role="status" aria-live="polite">
        <Notice />
      </div>
    </div>
  );
}

function focusMain(event: Event): void {
  // The fragment is the page's route.
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function Sidebar() {
  const [current = ''] = route.value.path;
  const { data } = overview.answer.value;
  const faults = data ? faultsOf(data) : 0;
  return (
    <header class="sidebar">
      <div class="sidebar-inner">
        <a class="brand" href={href([])}>
          <span class="brand-mark" aria-hidden="true">
            <svg viewBox="0 0 32 32" width="24" height="24">
              <path d="M16 11v4m0 0-6 5m6-5 6 5" fill="none" stroke="currentColor" stroke-width="2" />
              <circle cx="16" cy="9" r="3.4" fill="currentColor" />
              <circle cx="9" cy="22" r="3.4" fill="currentColor" />
              <circle cx="23" cy="22" r="3.4" fill="currentColor" />
            </svg>
          </span>
          Service discovery
        </a>
        <nav aria-label="Views">
          <ul>
            {VIEWS.map(({ path, title, icon }) => (
              <li key={path}>
                <a
                  href={href([path].filter((part) => part !== ''))}
                  aria-current={current === path ? 'page' : undefined}
                >
                  <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
                    <path d={icon} fill="currentColor" fill-rule="evenodd" />
                  </svg>
                  {title}
                  {path === '' && faults > 0 && (
                    <span class="count is-unhealthy">
                      {faults}
                      <span class="visually-hidden"> wrong now</span>
                    </span>
                  )}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="sidebar-foot">
          <ConnectionState />
          {data && (
            <span class="process">
              <span class="muted">Served by</span> {data.process}
            </span>
          )}
          <div class="sidebar-buttons">
            {hasToken() && (
              <button type="button" class="button" onClick={() => signIn('')}>
                Forget token
              </button>
            )}
            <ThemeSwitch />
          </div>
        </div>
      </div>
    </header>
  );
}

const CONNECTIONS = {
  connecting: 'Connecting',
  live: 'Live',
  lost: 'Reconnecting',
} as const;

function ConnectionState() {
  // A stream that says nothing may be cut off long before it ends.
  const state = isCutOff() ? 'lost' : connection.value;
  return (
    <span class={`connection is-${state}`} role="status">
      {CONNECTIONS[state]}
    </span>
  );
}

function CutOff() {
  const { error, readAt } = overview.answer.value;
  return error && isCutOff() ? <Failure error={error} readAt={readAt} /> : null;
}

function Notice() {
  const text = notice.value;
  useEffect(() => {
    if (text === '') return undefined;
    const timer = setTimeout(() => {
      notice.value = '';
    }, 6_000);
    return () => clearTimeout(timer);
  }, [text]);
  return text === '' ? null : <p>{text}</p>;
}

/** The view of the route. Its heading gets the focus when another view opens, as a new page would. */
function CurrentView() {
  const { path } = route.value;
  const key = path.join('/');
  const first = useRef(true);
  useEffect(() => {
    const heading = document.querySelector<HTMLElement>('h1');
    document.title = [heading?.textContent, 'Service discovery'].filter(Boolean).join(' · ');
    if (!first.current) {
      window.scrollTo(0, 0);
      heading?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [key]);
  return <div key={key}>{viewOf(path)}</div>;
}

function viewOf([view, service, part, instance]: readonly string[]): ComponentChildren {
  if (view === undefined) return <OverviewView />;
  if (view === 'services' && service === undefined) return <ServicesView />;
  if (view === 'services' && service !== undefined && part === undefined) return <ServiceView name={service} />;
  if (view === 'services' && service !== undefined && part === 'instances' && instance !== undefined) {
    return <InstanceView service={service} id={instance} />;
  }
  if (view === 'topology') return <TopologyView />;
  if (view === 'calls') return <CallsView />;
  if (view === 'journal') return <JournalView />;
  return (
    <>
      <Heading title="Not found" />
      <Empty title="There is no such view">
        <a href={href([])}>Go to the overview</a>
      </Empty>
    </>
  );
}

function SignIn({ why }: { readonly why: string }) {
  const [token, setToken] = useState('');
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = 'A token is needed · Service discovery';
    input.current?.focus();
  }, []);
  return (
    <div class="sign-in card">
      <h1>A token is needed</h1>
      <p role="alert">{why}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          signIn(token.trim());
          document.getElementById('main')?.focus();
        }}
      >
        <label class="field">
          <span>Token</span>
          <input
            ref={input}
            type="password"
            autoComplete="off"
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <p class="muted">It is kept for this tab, and sent to this server only.</p>
        <button type="submit" class="button is-primary" disabled={token.trim() === ''}>
          Open the dashboard
        </button>
      </form>
    </div>
  );
}
