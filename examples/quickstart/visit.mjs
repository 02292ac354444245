// Fetches the page named on the command line and prints its first line. Ends with 1 where nobody answers.
import { get } from 'node:http';

get(process.argv[2], (response) => {
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (piece) => (text += piece));
  response.on('end', () => console.log(`${new Date().toISOString()} ${text.split('\n')[0]}`));
}).on('error', (error) => {
  console.error(`no answer: ${error.code}`);
  process.exitCode = 1;
});
