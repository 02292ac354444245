// `npm run frames`: runs examples/quickstart with the built program, drives its TUI in a terminal of tmux, and writes what
// stands on the screen as SVG to docs/frames. Nothing is drawn by hand: to change a picture, change the program.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const program = join(root, 'dist/setpoint.cjs');
const target = join(root, 'docs/frames');
const PATIENCE_MS = 30_000;
const LARGEST_BYTES = 60 * 1024;

const base = mkdtempSync(join(tmpdir(), 'frames-'));
// The working directory of the services is in one of the pictures.
const short = join(tmpdir(), 'quickstart');
const folder = existsSync(short) ? join(base, 'quickstart') : short;
cpSync(join(root, 'examples/quickstart'), folder, {
  recursive: true,
  filter: (path) => !path.endsWith('/data'),
});
mkdirSync(join(base, 'run'), { mode: 0o700 });
const manifest = join(folder, 'setpoint.yaml');
const original = readFileSync(manifest, 'utf8');
const env = {
  ...process.env,
  TERM: 'xterm-256color',
  LC_ALL: 'C.UTF-8',
  NO_COLOR: '',
  COLORFGBG: '',
  ENV: '',
  PS1: '$ ',
  QUICKSTART_PORT: '8087',
  XDG_STATE_HOME: join(base, 'state'),
  XDG_RUNTIME_DIR: join(base, 'run'),
  XDG_CONFIG_HOME: join(base, 'config'),
};
const tmux = (...args) =>
  execFileSync('tmux', ['-L', `setpoint-frames-${process.pid}`, ...args], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });
const screen = () => tmux('capture-pane', '-p');
const press = (...keys) => keys.forEach((key) => tmux('send-keys', key));

async function shows(pattern) {
  const until = Date.now() + PATIENCE_MS;
  while (!pattern.test(screen())) {
    if (Date.now() > until) throw new Error(`${pattern} did not appear:\n${screen()}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** Of the sixteen colours, as many terminals have them on a dark background. */
const COLOURS = [
  ['#484f58', '#ff7b72', '#3fb950', '#d29922', '#58a6ff', '#bc8cff', '#39c5cf', '#b1bac4'],
  ['#6e7681', '#ffa198', '#56d364', '#e3b341', '#79c0ff', '#d2a8ff', '#56d4dd', '#f0f6fc'],
];
const [FOREGROUND, BACKGROUND] = ['#c9d1d9', '#0d1117'];
const [CELL, LINE] = [8.4, 18];

/** What a captured line holds, piece by piece: text, and how it looks. */
function* pieces(line) {
  let style = {};
  for (const part of line.split(/(\u001b\[[0-9;]*m)/)) {
    const codes = /^\u001b\[([0-9;]*)m$/.exec(part)?.[1];
    if (codes === undefined) {
      if (part !== '') yield { text: part, style };
      continue;
    }
    for (const code of codes.split(';').map(Number)) {
      if (code === 0) style = {};
      else if (code === 1) style = { ...style, bold: true };
      else if (code === 2) style = { ...style, dim: true };
      else if (code === 4) style = { ...style, underline: true };
      else if (code === 7) style = { ...style, inverse: true };
      else if (code >= 30 && code <= 37) style = { ...style, fg: COLOURS[0][code - 30] };
      else if (code >= 90 && code <= 97) style = { ...style, fg: COLOURS[1][code - 90] };
      else if (code >= 40 && code <= 47) style = { ...style, bg: COLOURS[0][code - 40] };
      else if (code === 39) style = { ...style, fg: undefined };
      else if (code === 49) style = { ...style, bg: undefined };
    }
  }
}

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const number = (value) => String(Math.round(value * 10) / 10);

function svg(captured, columns, title) {
  const lines = captured.replace(/\n$/, '').split('\n');
  const out = [];
  lines.forEach((line, y) => {
    let column = 0;
    for (const { text, style } of pieces(line)) {
      // Nothing in these pictures is wider than a cell; a picture of something that is would be told apart here.
      const width = Array.from(text).length;
      const fg = style.inverse ? BACKGROUND : (style.fg ?? FOREGROUND);
      const bg = style.inverse ? (style.fg ?? FOREGROUND) : style.bg;
      const [x, top] = [column * CELL, y * LINE];
      if (bg !== undefined)
        out.push(
          `<rect x="${number(x)}" y="${top}" width="${number(width * CELL)}" height="${LINE}" fill="${bg}"/>`,
        );
      // Each run begins where its first cell is, whatever font the reader has.
      for (const run of text.matchAll(/\S+(?: \S+)*/g)) {
        const start = x + Array.from(text.slice(0, run.index)).length * CELL;
        const length = Array.from(run[0]).length * CELL;
        const looks = [
          fg === FOREGROUND ? '' : ` fill="${fg}"`,
          style.bold ? ' font-weight="bold"' : '',
          style.dim ? ' opacity=".6"' : '',
          style.underline ? ' text-decoration="underline"' : '',
        ].join('');
        out.push(
          `<text x="${number(start)}" y="${top + 13}" textLength="${number(length)}"${looks}>${escaped(run[0])}</text>`,
        );
      }
      column += width;
    }
  });
  const [width, height] = [Math.ceil(columns * CELL) + 16, lines.length * LINE + 16];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -8 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}">`,
    `<rect x="-8" y="-8" width="${width}" height="${height}" rx="6" fill="${BACKGROUND}"/>`,
    `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14" fill="${FOREGROUND}" xml:space="preserve">`,
    ...out,
    '</g></svg>\n',
  ].join('\n');
}

function keep(name, columns, title) {
  const picture = svg(tmux('capture-pane', '-p', '-e'), columns, title);
  if (Buffer.byteLength(picture) > LARGEST_BYTES) throw new Error(`${name}.svg has become too large`);
  writeFileSync(join(target, `${name}.svg`), picture);
}

mkdirSync(target, { recursive: true });
try {
  tmux('-f', '/dev/null', 'new-session', '-d', '-x', '120', '-y', '30', 'exec /bin/sh -i');
  tmux('send-keys', '-l', `'${program}' up`);
  press('Enter');
  await shows(/● worker +running/);
  // A few samples make the curves.
  await shows(/[▁-█]{4}/);
  await shows(/(?:visit|hello|got|200)/i);
  press('G');
  await shows(/┌ worker ─/);
  keep('overview', 120, 'The TUI: services on the left, their merged lines on the right');

  press('e');
  await shows(/┌ worker ─ explained/);
  await shows(/environment/);
  keep('details', 120, 'Everything about one service: verdict, figures, launch, environment, processes');
  press('Escape');

  press('D');
  await shows(/┌ dependencies/);
  keep('graph', 120, 'The dependency graph, with conditions and states');
  press('Escape');

  writeFileSync(manifest, original.replace('command: sh worker.sh', 'comand: sh worker.sh'));
  await shows(/✖ \d errors? \(m\)/);
  press('m');
  await shows(/did you mean/);
  keep('diagnostics', 120, 'A manifest with an error: where it is and what was meant; nothing was changed');
  writeFileSync(manifest, original);
  await shows(/✔ in sync/);
  press('Escape', 'H');
  await shows(/in sync review/);
  writeFileSync(manifest, original.replace('/ 2\n', '/ 5\n').replace('max: 5s', 'max: 10s'));
  await shows(/~ \d changes? \(p\)/);
  press('p');
  await shows(/Held for review/);
  keep('review', 120, 'An edit that is held for review, and what it would do');
  press('A');
  await shows(/in sync review/);
  press('Escape', 'Escape', 'F1');
  await shows(/┌ keys/);
  keep('keys', 120, 'The list of keys');
  press('Escape');

  tmux('resize-window', '-x', '80', '-y', '24');
  await shows(/^┌ all services ─ logs/m);
  keep('narrow', 80, 'The same on a terminal of 80 by 24: the panes stand above one another');
  press('q');
  await shows(/^Stopped quickstart/m);
} finally {
  try {
    execFileSync(program, ['down', '--timeout', '5s'], { cwd: folder, env, stdio: 'ignore' });
  } catch {
    // It is down already.
  }
  try {
    tmux('kill-server');
  } catch {
    // It never came up.
  }
  for (const path of [folder, base])
    rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
