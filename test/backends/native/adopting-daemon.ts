/**
 * A stand-in for the daemon: starts what it is told on the command line and waits to be killed. With the name of a
 * failpoint it kills itself there; with `report` it says how the first start went and ends; with `no-processes` too, and
 * may make no process more by the time it makes the launcher.
 */
import { execFileSync } from 'node:child_process';
import { createNativeBackend } from '../../../src/backends/native/native-backend.ts';
import { createEncloser } from '../../../src/backends/sandbox/enclosure.ts';
import type { StartRequest } from '../../../src/ports/backend.ts';

const requests = JSON.parse(process.argv[2] ?? '[]') as StartRequest[];
const mode = process.argv[3];
const backend = createNativeBackend({
  encloser: createEncloser({ env: process.env, hidden: [] }),
  failpoint: (at) => {
    if (at === mode) process.kill(process.pid, 'SIGKILL');
    if (mode === 'no-processes' && at === 'before-spawn')
      execFileSync('prlimit', ['--pid', String(process.pid), '--nproc=1:1']);
  },
});
await backend.prepare(requests);
const started = await Promise.all(requests.map((request) => backend.start(request)));
if (mode === 'report' || mode === 'no-processes') {
  const [first] = started;
  process.stdout.write(JSON.stringify(first?.ok === false ? { error: first.error } : {}));
  if (first?.ok === true) await first.value.proc.exited;
} else {
  const procs = started.flatMap((result) => (result.ok ? [result.value.proc] : []));
  const timer = setInterval(() => {
    const pids = procs.map((proc) => proc.pid());
    if (pids.includes(undefined)) return;
    clearInterval(timer);
    process.stdout.write(`${JSON.stringify(pids)}\n`);
  }, 5);
  setInterval(() => {}, 1000);
}
