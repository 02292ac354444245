import { ClientError } from '../client/client-error.ts';
import { connect } from '../client/client.ts';
import { startDaemon } from '../daemon/daemon.ts';
import { dropInheritance } from '../daemon/inherited-descriptors.ts';
import { announce } from '../daemon/ready-pipe.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { definedEnv } from './common.ts';
import type { ProjectLocation } from '../store/locate.ts';
import type { ForegroundDaemon } from './services.ts';
import { VERSION } from './product.ts';

/** What the hidden command does: is the daemon of the project whose location the argument tells, until that ends. */
export async function runDaemonProcess(argv: readonly string[]): Promise<ExitStatus> {
  const location = readLocation(argv[0]);
  if (location === undefined) return EXIT.usage;
  dropInheritance();
  // A promise that nobody waited for is a bug of ours; what runs is still better off with a daemon than without.
  process.on('unhandledRejection', (reason) => {
    process.stderr.write(`${reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)}\n`);
  });
  const started = await startDaemon({ paths: location, version: VERSION, env: definedEnv(process.env) });
  announce(started);
  if (!started.ok) return EXIT.failure;
  const daemon = started.value;
  let asked = 0;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      daemon.shutdown(signal, asked === 0 ? 0 : asked === 1 ? 1 : 2);
      asked += 1;
    });
  }
  // The terminal of the command that started it is not the daemon's, so nobody's end of session sends this.
  process.on('SIGHUP', () => daemon.reload());
  await daemon.ended;
  return EXIT.ok;
}

/**
 * Does a daemon's work in this process. Rejects with a `ClientError` where it cannot, for one because another daemon of
 * the project runs.
 */
export async function startForeground(
  location: ProjectLocation,
  env: Readonly<Record<string, string | undefined>>,
): Promise<ForegroundDaemon> {
  const started = await startDaemon({ paths: location, version: VERSION, env: definedEnv(env) });
  if (!started.ok) {
    const { code, message, help } = started.error;
    throw new ClientError(code, message, help === undefined ? {} : { help });
  }
  const client = await connect(location.socketPath);
  if (client === undefined) throw new Error('the daemon in this process does not answer');
  return { client, ended: started.value.ended.then(() => undefined) };
}

function readLocation(text: string | undefined): ProjectLocation | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return isLocation(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isLocation(value: unknown): value is ProjectLocation {
  if (typeof value !== 'object' || value === null) return false;
  const it = value as Readonly<Record<string, unknown>>;
  const texts = ['key', 'name', 'manifest', 'stateDir', 'socketPath', 'lockPath'];
  return texts.every((name) => typeof it[name] === 'string') && Array.isArray(it['files']);
}
