/** A daemon for tests of how one is started: the real lock, server and ready pipe around a project that is not. */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { err, ok } from '../../src/core/util/result.ts';
import { createApiServer } from '../../src/daemon/api/server.ts';
import { announce } from '../../src/daemon/ready-pipe.ts';
import { acquireLock } from '../../src/store/lock.ts';
import { FakeControl, INFO } from '../daemon/api/fake-control.ts';

/** A test that fails leaves nothing behind for longer than this. */
const LIFETIME_MS = 60_000;

const [mode = '', stateDir = '', socketPath = ''] = process.argv.slice(2);
setTimeout(() => process.exit(9), LIFETIME_MS).unref();

class Project extends FakeControl {
  override info() {
    return { ...INFO, pid: process.pid, manifest: JSON.stringify({ env: process.env, cwd: process.cwd() }) };
  }
}

async function run(): Promise<void> {
  appendFileSync(join(stateDir, 'pids'), `${process.pid}\n`);
  const lock = await acquireLock(join(stateDir, 'lock'));
  if (!lock.ok) {
    announce(err({ ...lock.error, code: lock.error.code === 'held' ? 'locked' : lock.error.code }));
    return;
  }
  const server = createApiServer(new Project(), {});
  const listening = await server.listen(socketPath);
  if (!listening.ok) throw new Error(listening.error.message);
  announce(ok(undefined));
}

switch (mode) {
  case 'serve':
    await run();
    break;
  case 'die':
    process.stderr.write('first\u001b[31m line\nlast line\n');
    process.exitCode = 7;
    break;
  case 'killed-twice': {
    appendFileSync(join(stateDir, 'starts'), 'start\n');
    const starts = readFileSync(join(stateDir, 'starts'), 'utf8').length / 'start\n'.length;
    if (starts <= 2) process.kill(process.pid, 'SIGKILL');
    await run();
    break;
  }
  case 'killed':
    process.kill(process.pid, 'SIGKILL');
    break;
  case 'refuse':
    announce(err({ code: 'state-damaged', message: 'the state is damaged', help: 'mend it' }));
    break;
  case 'locked':
    announce(err({ code: 'locked', message: 'another one runs' }));
    break;
  case 'lie':
    announce(ok(undefined));
    break;
  case 'mute':
    appendFileSync(join(stateDir, 'pids'), `${process.pid}\n`);
    setInterval(() => undefined, 1000);
    break;
  case 'unheard':
    // Started without anybody listening on the pipe.
    announce(ok(undefined));
    announce(err({ code: 'x', message: 'y' }));
    process.stdout.write('alive\n');
    break;
}
