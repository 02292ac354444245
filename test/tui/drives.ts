/** For each action what proves, on the screen or outside of it, that its key did it. Each leaves things as they were. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Action } from '../../src/tui/keymap.ts';
import { eventually } from '../rig/wait.ts';
import type { TuiTerminal } from './rig.ts';

/** Begins and ends with the first service selected, and with the logs of all of them. */
type Drive = (terminal: TuiTerminal, press: () => void) => Promise<void>;

export const DRIVEN = `
services:
  a-chat:
    command: 'seq -f "line %g of chat" 1 60; exec sleep 1000'
    labels: { tier: app }
  b-web:
    command: 'trap "echo got HUP" HUP; echo web is here; while :; do sleep 0.05; done'
    depends_on: [a-chat]
    backoff: { initial: 50ms }
  c-pipe: { command: exec sed -u s/^/heard-/, stdin: pipe }
  d-shell: { command: [sh, -i], tty: true, stop: { signal: SIGHUP } }
`;

const selects = (name: string): RegExp => new RegExp(`┌ ${name.replace('.', '\\.')} ─`);

/** Does something with the second service selected. */
async function onWeb(terminal: TuiTerminal, act: () => Promise<void>): Promise<void> {
  terminal.press('j');
  await terminal.shows(selects('b-web'));
  await act();
  terminal.press('g');
  await terminal.shows(selects('a-chat'));
}

/** Does something in the logs of the first service. */
async function inChat(terminal: TuiTerminal, act: () => Promise<void>): Promise<void> {
  terminal.press('enter');
  await terminal.shows(/┌ a-chat ─ logs ─ follow/);
  await terminal.shows(/│ line 60 of chat/);
  await act();
  terminal.press('a', 'escape');
  await terminal.shows(/┌ all services ─ logs ─ follow/);
}

/** A view that its key opens and closes. */
function view(title: RegExp, content: RegExp): Drive {
  return async (terminal, press) => {
    press();
    await terminal.shows(title);
    await terminal.shows(content);
    press();
    await terminal.shows(/┌ all services ─ logs/);
    terminal.press('escape');
  };
}

async function changesPid(terminal: TuiTerminal, instance: string, act: () => void): Promise<void> {
  const { project } = terminal;
  const before = await project.pidOf(instance);
  act();
  await eventually('another process', async () => (await project.pidOf(instance)) !== before, 30_000);
}

async function byName(terminal: TuiTerminal, action: string): Promise<void> {
  terminal.press(':');
  terminal.write(action);
  await terminal.shows(new RegExp(`command: ${action}`));
  terminal.press('enter');
}

export const DRIVES: Readonly<Record<Action, Drive>> = {
  up: async (terminal, press) => {
    terminal.press('j');
    await terminal.shows(selects('b-web'));
    press();
    await terminal.shows(selects('a-chat'));
  },
  down: async (terminal, press) => {
    press();
    await terminal.shows(selects('b-web'));
    terminal.press('g');
    await terminal.shows(selects('a-chat'));
  },
  top: async (terminal, press) => {
    terminal.press('G');
    await terminal.shows(selects('d-shell'));
    press();
    await terminal.shows(selects('a-chat'));
  },
  bottom: async (terminal, press) => {
    press();
    await terminal.shows(selects('d-shell'));
    terminal.press('g');
    await terminal.shows(selects('a-chat'));
  },
  'page-up': (terminal, press) =>
    inChat(terminal, async () => {
      press();
      await terminal.shows(/a-chat ─ logs ─ \d+ of \d+/);
      await terminal.hides(/│ line 60 of chat/);
    }),
  'page-down': (terminal, press) =>
    inChat(terminal, async () => {
      terminal.press('g');
      await terminal.shows(/│ line 1 of chat/);
      press();
      await terminal.hides(/│ line 1 of chat/);
    }),
  left: (terminal, press) =>
    inChat(terminal, async () => {
      terminal.press('l');
      await terminal.shows(/│ of chat/);
      press();
      await terminal.shows(/│ line 60 of chat/);
    }),
  right: (terminal, press) =>
    inChat(terminal, async () => {
      press();
      await terminal.shows(/│ of chat/);
      terminal.press('h');
      await terminal.shows(/│ line 60 of chat/);
    }),
  focus: async (terminal, press) => {
    press();
    // With the focus on the lines, `up` moves them and not the selection.
    terminal.press('k');
    await terminal.shows(/┌ all services ─ logs ─ \d+ of \d+/);
    terminal.press('F');
    await terminal.shows(/┌ all services ─ logs ─ follow/);
    press();
    terminal.press('j');
    await terminal.shows(selects('b-web'));
    terminal.press('g');
    await terminal.shows(selects('a-chat'));
  },
  open: async (terminal, press) => {
    press();
    await terminal.shows(/┌ a-chat ─ logs ─ follow/);
    terminal.press('a', 'escape');
    await terminal.shows(/┌ all services ─ logs/);
  },
  back: async (terminal, press) => {
    terminal.press('?');
    await terminal.shows(/┌ keys/);
    press();
    await terminal.shows(/┌ all services ─ logs/);
  },
  zoom: async (terminal, press) => {
    press();
    await terminal.hides(/┌ all services/);
    press();
    await terminal.shows(/┌ all services/);
  },

  start: (terminal, press) =>
    onWeb(terminal, async () => {
      terminal.press('x');
      await terminal.shows(/○ b-web +stopped/);
      press();
      await terminal.shows(/● b-web +running/);
    }),
  stop: (terminal, press) =>
    onWeb(terminal, async () => {
      press();
      await terminal.shows(/○ b-web +stopped/);
      terminal.press('s');
      await terminal.shows(/● b-web +running/);
    }),
  restart: (terminal, press) => onWeb(terminal, () => changesPid(terminal, 'b-web.1', press)),
  kill: (terminal, press) =>
    onWeb(terminal, async () => {
      await changesPid(terminal, 'b-web.1', press);
      await terminal.shows(/● b-web +running.*↻1/);
    }),
  signal: (terminal, press) =>
    onWeb(terminal, async () => {
      const before = terminal.project.log('b-web.1').split('got HUP').length;
      press();
      await terminal.shows(/^ signal:/m);
      terminal.write('hup');
      terminal.press('enter');
      await terminal.shows(/b-web: sent SIGHUP/);
      await eventually(
        'the signal to arrive',
        () => terminal.project.log('b-web.1').split('got HUP').length > before,
        30_000,
      );
    }),
  'scale-up': (terminal, press) =>
    onWeb(terminal, async () => {
      press();
      await terminal.shows(/● b-web\.2 +running/);
      terminal.press('-');
      await terminal.shows(/● b-web +running/);
    }),
  'scale-down': (terminal, press) =>
    onWeb(terminal, async () => {
      terminal.press('+');
      await terminal.shows(/● b-web\.2 +running/);
      press();
      await terminal.shows(/● b-web +running/);
    }),
  scale: (terminal, press) =>
    onWeb(terminal, async () => {
      for (const [number, shown] of [
        ['3', /● b-web\.3 +running/],
        ['1', /● b-web +running/],
      ] as const) {
        press();
        await terminal.shows(/^ instances:/m);
        terminal.write(number);
        terminal.press('enter');
        await terminal.shows(shown);
      }
    }),
  attach: async (terminal, press) => {
    terminal.press('G');
    await terminal.shows(selects('d-shell'));
    press();
    await terminal.shows(/ctrl-p ctrl-q comes back/);
    terminal.write('echo $((6 * 7)) is the answer; stty size');
    terminal.press('enter');
    await terminal.shows(/^42 is the answer/m);
    await terminal.shows(/^40 120/m);
    terminal.press('ctrl-p', 'ctrl-q');
    await terminal.shows(/┌ services/);
    terminal.press('k');
    await terminal.shows(selects('c-pipe'));
    press();
    await terminal.shows(/type a line for it/);
    terminal.write('ahoy');
    terminal.press('enter');
    await terminal.shows(/heard-ahoy/);
    terminal.press('escape', 'g');
    await terminal.shows(selects('a-chat'));
  },
  'restart-all': async (terminal) => {
    await byName(terminal, 'restart-all');
    await terminal.shows(/Restart everything\? y: yes/);
    await changesPid(terminal, 'a-chat.1', () => terminal.press('y'));
  },
  group: async (terminal, press) => {
    for (const title of [
      /services ─ by state/,
      /services ─ by tier/,
      /services ─ by dependency/,
      /┌ services ──/,
    ]) {
      press();
      await terminal.shows(title);
    }
  },

  'all-logs': async (terminal, press) => {
    press();
    await terminal.shows(/┌ a-chat ─ logs/);
    press();
    await terminal.shows(/┌ all services ─ logs/);
  },
  search: (terminal, press) =>
    inChat(terminal, async () => {
      press();
      terminal.write('line 5\\d');
      terminal.press('enter');
      await terminal.shows(/\/line 5\\d\/ 10 of 10/);
      terminal.press('escape');
      await terminal.hides(/\/line 5/);
    }),
  'next-match': (terminal, press) =>
    inChat(terminal, async () => {
      terminal.press('/');
      terminal.write('line 5\\d');
      terminal.press('enter', 'N', 'N');
      await terminal.shows(/\/line 5\\d\/ 8 of 10/);
      press();
      await terminal.shows(/\/line 5\\d\/ 9 of 10/);
      terminal.press('escape');
    }),
  'previous-match': (terminal, press) =>
    inChat(terminal, async () => {
      terminal.press('/');
      terminal.write('line 5\\d');
      terminal.press('enter');
      await terminal.shows(/\/line 5\\d\/ 10 of 10/);
      press();
      await terminal.shows(/\/line 5\\d\/ 9 of 10/);
      terminal.press('escape');
    }),
  filter: (terminal, press) =>
    inChat(terminal, async () => {
      press();
      terminal.write('(a+)+');
      await terminal.shows(/can take for ever/);
      terminal.press('ctrl-u');
      terminal.write('line 3\\d');
      terminal.press('enter');
      expect(await terminal.shows(/only \/line 3\\d\/ \(10\)/)).not.toMatch(/line 60 of chat/);
      terminal.press('escape');
      await terminal.shows(/line 60 of chat/);
    }),
  follow: async (terminal, press) => {
    press();
    await terminal.shows(/┌ all services ─ logs ─ \d+ of \d+/);
    press();
    await terminal.shows(/┌ all services ─ logs ─ follow/);
  },
  wrap: async (terminal, press) => {
    press();
    await terminal.shows(/lines are wrapped/);
    press();
    await terminal.shows(/lines are cut/);
  },
  timestamps: async (terminal, press) => {
    await terminal.shows(/││\d\d:\d\d:\d\d a-chat/);
    press();
    await terminal.shows(/││a-chat/);
    press();
    await terminal.shows(/││\d\d:\d\d:\d\d a-chat/);
  },
  clear: (terminal, press) =>
    inChat(terminal, async () => {
      press();
      await terminal.shows(/cleared; the log files keep everything/);
      await terminal.hides(/line 60 of chat/);
      // What was cleared is in the files.
      terminal.press('O');
      await terminal.shows(/line 60 of chat/);
      terminal.press('escape');
      await changesPid(terminal, 'a-chat.1', () => terminal.press('r'));
      await terminal.shows(/line 60 of chat/);
    }),
  'previous-run': async (terminal, press) => {
    await changesPid(terminal, 'a-chat.1', () => terminal.press('r'));
    press();
    await terminal.shows(/┌ a-chat, previous run ─ logs ─ end/);
    await terminal.shows(/line 60 of chat/);
    terminal.press('escape', 'a', 'escape');
    await terminal.shows(/┌ all services ─ logs ─ follow/);
  },
  'jump-time': async (terminal, press) => {
    press();
    terminal.write('25:99');
    terminal.press('enter');
    await terminal.shows(/there is no time 25:99/);
    terminal.press('ctrl-u');
    terminal.write('1h');
    terminal.press('enter');
    await terminal.shows(/┌ from \d\d:\d\d:\d\d on ─ logs/);
    await terminal.shows(/line 1 of chat/);
    terminal.press('escape', 'escape');
    await terminal.shows(/┌ all services ─ logs ─ follow/);
  },
  older: async (terminal, press) => {
    press();
    await terminal.shows(/┌ all services, as of \d\d:\d\d:\d\d ─ logs ─ end/);
    terminal.press('escape', 'escape');
    await terminal.shows(/┌ all services ─ logs ─ follow/);
  },
  select: async (terminal, press) => {
    press();
    await terminal.shows(/─ selecting/);
    press();
    await terminal.hides(/─ selecting/);
    terminal.press('escape', 'escape');
    await terminal.shows(/┌ all services ─ logs ─ follow/);
  },
  copy: (terminal, press) =>
    inChat(terminal, async () => {
      terminal.press('/');
      terminal.write('line 42');
      terminal.press('enter', 'escape');
      terminal.press('G', 'v', 'k');
      press();
      await terminal.shows(/copied 2 lines/);
      await eventually('the clipboard', () => /^.+\n.+$/.test(terminal.clipboard().trim()), 30_000);
      expect(terminal.clipboard()).toMatch(/line \d+ of chat|started|stopped/);
      terminal.press('escape');
    }),

  details: view(/┌ a-chat ─ explained/, /a-chat has been running for/),
  plan: view(/┌ plan/, /Nothing to do/),
  events: view(/┌ events/, /manifest applied/),
  graph: view(/┌ dependencies/, /└─ ● a-chat {2}started/),
  timeline: view(/┌ how everything came up/, /a-chat/),
  diagnostics: view(/┌ problems of the manifest/, /the manifest has no problems/),
  help: view(/┌ keys/, /a page up/),
  palette: async (terminal, press) => {
    press();
    terminal.write('expl');
    await terminal.shows(/details +explain the selected service/);
    terminal.press('enter');
    await terminal.shows(/┌ a-chat ─ explained/);
    terminal.press('escape');
    await terminal.shows(/┌ all services ─ logs/);
  },

  apply: async (terminal, press) => {
    press();
    await terminal.shows(/nothing to apply: all is as the manifest says/);
  },
  reload: async (terminal, press) => {
    press();
    await terminal.shows(/nothing to do/);
  },
  review: async (terminal, press) => {
    press();
    await terminal.shows(/in sync review/);
    press();
    await terminal.hides(/in sync review/);
  },
  edit: async (terminal, press) => {
    // EDITOR makes this file.
    const path = join(terminal.project.dir, 'edited');
    press();
    await eventually('the editor', () => existsSync(path), 30_000);
    await terminal.shows(/┌ services/);
  },
  mouse: async (terminal, press) => {
    press();
    await terminal.shows(/mouse off/);
    press();
    await terminal.shows(/mouse on/);
  },
  redraw: async (terminal, press) => {
    terminal.scribble('\u001b[5;5HSCRIBBLE');
    await terminal.shows(/SCRIBBLE/);
    press();
    await terminal.hides(/SCRIBBLE/);
  },
  suspend: async (terminal, press) => {
    press();
    await terminal.shows(/(?:Stopped|Suspended)/);
    expect(terminal.screen()).not.toMatch(/┌ services/);
    terminal.write('fg');
    terminal.press('enter');
    await terminal.shows(/┌ services/);
  },
  // These three end the TUI, so each begins it anew.
  'take-down': async (terminal) => {
    await byName(terminal, 'take-down');
    await terminal.shows(/Stop the whole project\? y: yes/);
    terminal.press('y');
    expect(await terminal.ended()).toMatch(/^Stopped shop: 4 instances in/m);
    terminal.run('setpoint up');
    await terminal.shows(/● d-shell +running/);
  },
  detach: async (terminal, press) => {
    press();
    expect(await terminal.ended()).toMatch(/^shop keeps running: 4 running$/m);
    terminal.run('setpoint up');
    await terminal.shows(/● d-shell +running/);
    terminal.press('q');
    expect(await terminal.ended()).toMatch(/^shop keeps running: 4 running$/m);
    await terminal.project.ok('down');
    terminal.run('setpoint up');
    await terminal.shows(/● d-shell +running/);
  },
  quit: async (terminal, press) => {
    press();
    expect(await terminal.ended()).toMatch(/^Stopped shop: 4 instances in/m);
    terminal.run('setpoint up');
    await terminal.shows(/● d-shell +running/);
  },
};
