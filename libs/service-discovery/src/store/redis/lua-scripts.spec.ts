import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import * as scripts from './lua-scripts.js';

const generator = join(import.meta.dirname, '../../../../../scripts/generate-lua.mjs');

describe('the generated wrappers of the Lua scripts', () => {
  it('match the scripts', () => {
    const { status, stderr } = spawnSync(process.execPath, [generator, '--check'], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('pass keys and arguments in the order of the script', () => {
    const keys = { sweep: 's' };
    expect(scripts.beginSweep(keys, 1, 2, 3, 4, 'processes')).toMatchObject({
      keys: ['s'],
      args: [1, 2, 3, 4, 'processes'],
    });
  });

  it('access only keys that are passed to them', () => {
    const {
      announceChecker,
      beginSweep,
      expire,
      forgetNames,
      listNames,
      noteRefusals,
      put,
      readHolder,
      remove,
      renew,
      restore,
      setStatus,
      sign,
      sync,
      touchNames,
    } = scripts;
    const keys = {
      names: '',
      sweep: '',
      checkers: '',
      records: '',
      states: '',
      details: '',
      leases: '',
      meta: '',
      changes: '',
    };
    const calls = [
      announceChecker(keys, '', 1),
      beginSweep(keys, 1, 1, 1, 1, ''),
      expire(keys, 1, 1, 1, 1, 1),
      forgetNames(keys, 1),
      listNames(keys),
      noteRefusals(keys),
      put(keys, 1),
      readHolder(keys, ''),
      remove(keys, '', '', 1),
      renew(keys, '', '', 1),
      restore(keys, '', 0, '', 1),
      setStatus(keys, '', '', '', '', 1, '', 1, 1),
      sign(keys, 1),
      sync(keys, '', 0, '', 0, 0),
      touchNames(keys, ''),
    ];
    for (const { script } of calls) {
      const firstArguments = [...script.source.matchAll(/redis\.call\('(\w+)', ([^,)]+)/g)].filter(
        ([, command]) => command !== 'PUBLISH',
      );
      const foreign = firstArguments.filter(([, , key]) => !/^(KEYS|keys)\.\w+$|^(meta|changes)$/.test(key!));
      expect({ script: script.name, foreign }).toEqual({ script: script.name, foreign: [] });
    }
  });
});
