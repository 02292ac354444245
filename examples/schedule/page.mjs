// Serves the notes as text.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';

const port = Number(process.env.PORT);

const server = createServer(async (_request, response) => {
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.end(await readFile(join(process.env.DATA, 'load'), 'utf8').catch(() => 'nothing yet\n'));
});

server.listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${port}`));
process.on('SIGTERM', () => server.close(() => process.exit(0)).closeAllConnections());
