// Asks for the page named on the command line every two seconds; Enter asks at once.
import { get } from 'node:http';

const green = process.stdout.isTTY ? (text) => `\u001b[32m${text}\u001b[0m` : (text) => text;

function visit() {
  get(process.argv[2], (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (piece) => (text += piece));
    response.on('end', () => console.log(green(text.trim())));
  }).on('error', (error) => console.log(`no answer: ${error.code}`));
}

setInterval(visit, 2000);
process.stdin.on('data', visit);
