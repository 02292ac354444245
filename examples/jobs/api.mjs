// POST / puts a job into the queue; GET / says how many wait.
import { readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const waiting = join(process.env.QUEUE, 'waiting');
const port = Number(process.env.PORT);

const server = createServer((request, response) => {
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  if (request.method !== 'POST') return response.end(`${readdirSync(waiting).length} waiting\n`);
  const job = `${Date.now()}-${process.pid}`;
  writeFileSync(join(waiting, job), '');
  console.log(`took ${job}`);
  return response.end(`${job}\n`);
});

server.listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${port}`));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
