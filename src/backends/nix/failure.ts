import type { StartFailure } from '../../core/exit.ts';

const MESSAGE_LINES = 6;
const MESSAGE_LENGTH = 500;

/** One line of what a program printed, without colours and control characters; bounded. */
export function plainLine(line: string): string {
  return line
    .replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '')
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
    .slice(0, MESSAGE_LENGTH);
}

const NOISE = /^(warning:|\(use '--show-trace'|\(stack trace truncated|building '|note:)/i;

/** The cause among the lines that nix printed: what follows the last `error:`, the trace above it left out. */
export function causeOf(lines: readonly string[]): string {
  const plain = lines.map(plainLine).filter((line) => line !== '' && !NOISE.test(line));
  const at = plain.findLastIndex((line) => /^error: ?\S/.test(line));
  const told = at < 0 ? plain.slice(-MESSAGE_LINES) : plain.slice(at, at + MESSAGE_LINES);
  const text = told.join(' ').replace(/^error: ?/, '');
  return text === '' ? 'it gave no reason' : text.slice(0, MESSAGE_LENGTH);
}

/** Nix evaluates a copy in its store; the user knows the file by its place in the flake. */
const COPY = /\/nix\/store\/[a-z0-9]{32}-source\//g;

const HELPS: readonly { readonly when: RegExp; readonly help: string }[] = [
  {
    when: /does not provide attribute/,
    help: 'name one of the shells that `nix flake show` lists in `nix.shell`',
  },
  {
    when: /is not tracked by git|getting status of '\/nix\/store\/[^']*-source\//i,
    help: 'nix sees only files that git knows of: `git add` the missing one',
  },
  {
    when: /unable to download|resolve host|substituter|timed out/i,
    help: 'see that the network and the substituters of nix can be reached',
  },
  { when: /experimental .*feature/i, help: 'enable the experimental features nix-command and flakes' },
  {
    when: /pure evaluation mode|is not allowed to refer|is forbidden in pure/i,
    help: 'set `nix.impure: true`, or keep the flake from reading the machine',
  },
  { when: /daemon|permission denied/i, help: 'see that nix works for this user: `nix store ping`' },
  {
    when: /cannot build|builder for|build of .* failed/i,
    help: 'build it by hand to see its whole log: `nix develop -L`',
  },
];

/** What a failed run of nix comes to. `what` is what it was to do, as in "evaluating X". */
export function nixFailure(what: string, lines: readonly string[]): StartFailure {
  const cause = causeOf(lines);
  const help = HELPS.find(({ when }) => when.test(cause))?.help;
  return {
    code: 'nix-failed',
    message: `${what} failed: ${cause.replaceAll(COPY, '')}`,
    ...(help === undefined ? {} : { help }),
  };
}
