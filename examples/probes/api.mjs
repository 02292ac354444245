// Answers 200 once it has started up, and 500 for ever after somebody has asked for /break.
import { createServer } from 'node:http';

const port = Number(process.env.PORT);
const begun = Date.now();
let broken = false;

const server = createServer((request, response) => {
  if (request.url === '/break') broken = true;
  const starting = Date.now() - begun < 500;
  response.statusCode = broken ? 500 : starting ? 503 : 200;
  response.end(`${broken ? 'broken' : starting ? 'starting' : 'fine'}\n`);
});

server.listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${port}`));
process.on('SIGTERM', () => server.close(() => process.exit(0)).closeAllConnections());
