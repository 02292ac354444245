// GET /visits answers the number of visits, POST /visits adds one.
import { createServer } from 'node:http';

const { DB, PORT } = process.env;
const ask = async (query) => (await (await fetch(`${DB}?${query}`)).text()).trim();
const visits = async () => Number.parseInt(await ask('visits'), 10) || 0;

createServer(async ({ method, url }, response) => {
  try {
    if (url === '/health') response.end(`${await ask('')}\n`);
    else if (url !== '/visits') response.writeHead(404).end();
    else {
      const count = (await visits()) + (method === 'POST' ? 1 : 0);
      if (method === 'POST') await ask(`visits=${count}`);
      response.end(`${count}\n`);
    }
  } catch (error) {
    response.writeHead(502).end(`the store does not answer: ${error.message}\n`);
  }
}).listen(Number(PORT), () => console.log(`listening on ${PORT}, the store is ${DB}`));
