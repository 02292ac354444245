/** A stand-in for the daemon: starts what it is told on the command line and waits to be killed. */
import { createNativeBackend } from '../../../src/backends/native/native-backend.ts';
import type { StartRequest } from '../../../src/ports/backend.ts';

const requests = JSON.parse(process.argv[2] ?? '[]') as StartRequest[];
const backend = createNativeBackend({});
await backend.prepare(requests);
const started = await Promise.all(requests.map((request) => backend.start(request)));
const procs = started.flatMap((result) => (result.ok ? [result.value.proc] : []));
const timer = setInterval(() => {
  const pids = procs.map((proc) => proc.pid());
  if (pids.includes(undefined)) return;
  clearInterval(timer);
  process.stdout.write(`${JSON.stringify(pids)}\n`);
}, 5);
setInterval(() => {}, 1000);
