/** The TUI by itself, on a project whose daemon runs: `node entry.cjs CLI SOCKET MANIFEST [lease]`. Says how it ended. */
import { execFile } from 'node:child_process';
import { writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { connect } from '../../src/client/client.ts';
import { runTui } from '../../src/tui/tui.ts';

const [cli = '', socketPath = '', manifest = '', mode = ''] = process.argv.slice(2);

/** Any command brings a daemon that was killed back. */
async function reconnect(): ReturnType<typeof connect> {
  const manifestDir = dirname(manifest);
  await new Promise<void>((done) => execFile(cli, ['status'], { cwd: manifestDir }, () => done()));
  return connect(socketPath);
}

async function run(): Promise<number> {
  const client = await connect(socketPath);
  if (client === undefined) throw new Error('no daemon runs');
  const lease = mode === 'lease' ? await client.lease() : undefined;
  const hostEnv = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  const load = { files: [manifest], profiles: [], set: {}, envFiles: [], named: [] };
  const request = { load, hostEnv, services: [] };
  if (mode === 'lease') await client.apply(request);
  const end = await runTui({
    client,
    ...(lease === undefined ? {} : { lease }),
    reconnect,
    request,
    manifest,
    stdin: process.stdin,
    stdout: process.stdout,
    env: process.env,
    cwd: dirname(manifest),
    settingsPath: join(dirname(manifest), 'tui.json'),
  });
  writeSync(1, `ended: ${end.kind}\n`);
  client.close();
  return 0;
}

run().then(
  (status) => process.exit(status),
  (error: unknown) => {
    writeSync(2, `${String(error)}\n`);
    process.exit(1);
  },
);
