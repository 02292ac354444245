import { test } from 'vitest';
import { ACTION_NAMES, ACTIONS } from '../../src/tui/keymap.ts';
import { DRIVEN, DRIVES } from './drives.ts';
import { opened, TERMINAL_TEST_MS } from './rig.ts';

const GROUPS = [...new Set(ACTION_NAMES.map((action) => ACTIONS[action].group))];

for (const group of GROUPS) {
  test(`every key of the group ${group}, on a terminal`, { timeout: TERMINAL_TEST_MS }, async (ctx) => {
    const terminal = await opened(ctx, DRIVEN, { env: { EDITOR: 'touch edited; true' } });
    await terminal.shows(/● d-shell +running/);
    await terminal.shows(/line 60 of chat/);
    for (const action of ACTION_NAMES.filter((one) => ACTIONS[one].group === group)) {
      const { keys } = ACTIONS[action];
      for (const key of keys.length === 0 ? [''] : keys) {
        try {
          await DRIVES[action](terminal, () => terminal.press(key));
        } catch (error) {
          throw new Error(`${action} by ${key}`, { cause: error });
        }
      }
    }
  });
}
