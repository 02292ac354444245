// Serves what words.txt said when it was started.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const port = Number(process.env.PORT);
const words = readFileSync('words.txt', 'utf8');

const server = createServer((_request, response) => response.end(words));

server.listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${port}`));
process.on('SIGTERM', () => server.close(() => process.exit(0)).closeAllConnections());
