// Sends a job every second. Ends with 1 where nobody answers, and is then started again.
import { request } from 'node:http';

function send() {
  const sent = request(process.env.API, { method: 'POST' }, (response) => {
    response.resume().on('end', () => console.log(`sent one: ${response.statusCode}`));
  });
  sent.on('error', (error) => {
    console.error(`no answer: ${error.code}`);
    process.exit(1);
  });
  sent.end();
}

setInterval(send, 1000);
