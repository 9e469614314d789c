import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { addSources, buildPackage } from './built-package.js';
import { isAlive } from './is-alive.js';

export interface InterruptedDemo {
  /** Its exit code and the signal that ended it. */
  readonly ended: readonly unknown[];
  readonly output: string;
  /** The processes of the demo that still run. */
  readonly left: readonly number[];
}

/** Runs the demo, and sends it SIGINT when it prints a text. */
export async function interruptDemo(at: string): Promise<InterruptedDemo> {
  const built = await buildPackage({ name: 'demo', type: 'module' });
  try {
    await addSources(built, 'apps');
    const pidFile = join(built.consumer, 'pids');
    const note = `import { appendFileSync } from 'node:fs'; appendFileSync(${JSON.stringify(pidFile)}, process.pid + '\\n');`;
    await writeFile(join(built.consumer, 'note-pid.mjs'), note);
    const demo = spawn(process.execPath, [join(built.consumer, 'demo/main.js')], {
      env: { ...process.env, NODE_OPTIONS: `--import ${pathToFileURL(join(built.consumer, 'note-pid.mjs')).href}` },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = once(demo, 'exit');
    let output = '';
    for await (const chunk of demo.stdout) {
      const before = output;
      output += String(chunk);
      if (output.includes(at) && !before.includes(at)) demo.kill('SIGINT');
    }
    const ended = (await exit) as unknown[];
    const pids = (await readFile(pidFile, 'utf8')).trim().split('\n').map(Number);
    assert(pids.includes(demo.pid!), 'every process of the demo notes its id');
    return { ended, output, left: pids.filter(isAlive) };
  } finally {
    await built.remove();
  }
}
