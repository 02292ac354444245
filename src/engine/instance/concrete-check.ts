import { concreteCommand, expandText, type TextContext } from '../../core/launch.ts';
import type { ProbeRole } from '../../core/probe.ts';
import { err, ok, type Result, unreachable } from '../../core/util/result.ts';
import type { ProbeCheck, Text } from '../../core/service.ts';
import type { CommandRunner } from '../../ports/commands.ts';
import type { ConcreteCheck } from '../../ports/probes.ts';

/** A check that is made by asking; the other kinds are told. */
export type AskedCheck = Extract<ProbeCheck, { kind: 'exec' | 'http' | 'tcp' }>;

/** What a run lends to the checks that are made for it. */
export interface CheckContext {
  /** Of commands. */
  readonly context: TextContext;
  /** Of what is looked at from the machine. */
  readonly onMachine: TextContext;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Runs commands, where they do not run on the machine. */
  readonly within?: CommandRunner;
}

const MAX_PORT = 65_535;

/** The check with its late references filled in. The error is a sentence without a final period. */
export function concreteCheck(
  check: AskedCheck,
  role: ProbeRole,
  { context, onMachine, cwd, env, within }: CheckContext,
): Result<ConcreteCheck, string> {
  switch (check.kind) {
    case 'exec': {
      const argv = concreteCommand(check.command, context);
      if (!argv.ok) return argv;
      const besides = { SETPOINT_PROBE: role };
      return ok(
        within === undefined
          ? { kind: 'exec', argv: argv.value, cwd, env: { ...env, ...besides } }
          : { kind: 'exec', argv: argv.value, cwd, env: besides, within },
      );
    }
    case 'http': {
      const url = expandText(check.url, onMachine);
      if (!url.ok) return url;
      const headers: [string, string][] = [];
      for (const [name, text] of Object.entries(check.headers)) {
        const value = expandText(text, onMachine);
        if (!value.ok) return value;
        headers.push([name, value.value]);
      }
      const { method, status } = check;
      return ok({ kind: 'http', url: url.value, method, headers: Object.fromEntries(headers), status });
    }
    case 'tcp': {
      const host = expandText(check.host, onMachine);
      if (!host.ok) return host;
      const port = expandText(check.port, onMachine);
      if (!port.ok) return port;
      const number = /^\d{1,5}$/.test(port.value) ? Number(port.value) : 0;
      if (number < 1 || number > MAX_PORT) {
        return err(`\`${port.value}\` is not the number of a port, from 1 to ${MAX_PORT}`);
      }
      return ok({ kind: 'tcp', host: host.value, port: number });
    }
    default:
      return unreachable(check);
  }
}

/** What a probe looks at, in words: "http GET http://127.0.0.1:8080/health", "tcp 127.0.0.1:5432", "log /ready/". */
export function describeCheck(
  check: ProbeCheck,
  { context, onMachine }: Pick<CheckContext, 'context' | 'onMachine'>,
): string {
  const shown = (text: Text): string => shownText(text, check.kind === 'exec' ? context : onMachine);
  switch (check.kind) {
    case 'exec': {
      const { command } = check;
      return `exec ${command.kind === 'shell' ? shown(command.script) : command.argv.map(shown).join(' ')}`;
    }
    case 'http':
      return `http ${check.method} ${shown(check.url)}`;
    case 'tcp': {
      const host = shown(check.host);
      return `tcp ${host.includes(':') ? `[${host}]` : host}:${shown(check.port)}`;
    }
    case 'log':
      return `log /${check.pattern}/${check.stream === undefined ? '' : ` in ${check.stream}`}`;
    case 'notify':
      return 'notify';
    case 'health':
      return "the container's healthcheck";
    default:
      return unreachable(check);
  }
}

/** A text as far as it is known. */
function shownText(text: Text, context: TextContext): string {
  if (typeof text === 'string') return text;
  return text
    .map((part) => {
      if (typeof part === 'string') return part;
      const filled = expandText([part], context);
      return filled.ok ? filled.value : '?';
    })
    .join('');
}
