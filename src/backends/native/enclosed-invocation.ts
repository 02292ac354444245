import type { RunId } from '../../core/state.ts';
import type { Enclosure } from '../../ports/encloser.ts';
import { COMING } from './inner-launcher.ts';
import { COOKIE } from '../../host/unit-scan.ts';
import { ENCLOSED_FDS } from './launcher.ts';
import { SHELL } from './start-failures.ts';

/** A program to be made, and its whole environment. */
export interface Invocation {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

interface EnclosedOptions {
  readonly enclosure: Enclosure;
  readonly run: RunId;
  /** What would be made without it: the launcher, or script(1) with the launcher in it. */
  readonly inner: Invocation;
  /** Whether the launch has a standard input of its own. */
  readonly input: boolean;
  readonly tty: boolean;
}

/**
 * A launcher, or its terminal, within an enclosure.
 *
 * - The program outside, which stays as a parent, is no part of the unit: it has not the run's cookie, which is set
 *   within, nor the run's input and output, which come as higher descriptors and take their places within. So nobody
 *   takes it for a process of the service, and killing it does no harm.
 * - In a pid namespace of its own a terminal's script(1) is not the first process, which must wait for whoever loses its
 *   parent: that is a shell, which ends after it.
 */
export function enclosedInvocation({ enclosure, run, inner, input, tty }: EnclosedOptions): Invocation {
  const [program = '', ...args] = enclosure.prefix;
  if (enclosure.launcher === 'same') {
    return { program, args: [...args, inner.program, ...inner.args], env: inner.env };
  }
  const { stdout, stdin } = ENCLOSED_FDS;
  const files = `${input ? `<&${stdin} ` : ''}>&${stdout} ${stdout}>&- ${stdin}>&-`;
  const cookie = `unset ${COMING}; ${COOKIE}=$1; export ${COOKIE}; `;
  const text = `${tty ? '' : cookie}shift; ${
    tty && enclosure.ownPids ? `"$@" ${files}; exit $?` : `exec "$@" ${files}`
  }`;
  const { [COOKIE]: _within, ...env } = inner.env;
  return {
    program,
    args: [...args, SHELL, '-c', text, SHELL, run, inner.program, ...inner.args],
    env: { ...env, [COMING]: run },
  };
}
