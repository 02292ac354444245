// Passes every request on to the API.
import { createServer, get } from 'node:http';

const port = Number(process.env.PORT);

const server = createServer((_request, response) => {
  get(process.env.API, (answer) => {
    response.statusCode = answer.statusCode;
    answer.pipe(response);
  }).on('error', (error) => {
    response.statusCode = 502;
    response.end(`no answer: ${error.code}\n`);
  });
});

server.listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${port}`));
process.on('SIGTERM', () => server.close(() => process.exit(0)).closeAllConnections());
