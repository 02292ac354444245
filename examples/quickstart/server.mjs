import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const port = Number(process.env.PORT);
const file = process.env.DATA_FILE;
let visits = 0;

const server = createServer((request, response) => {
  visits += 1;
  console.log(`${request.method} ${request.url} visit ${visits}`);
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.end(`visit ${visits}\n${readFileSync(file, 'utf8')}`);
});

server.listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${port}`));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
