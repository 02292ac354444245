// Says every two seconds what stands in the file named on the command line.
import { readFileSync } from 'node:fs';

const read = () => readFileSync(process.argv[2], 'utf8').trim();
let words = read();

process.on('SIGHUP', () => {
  words = read();
  console.log('read it again');
});
setInterval(() => console.log(words), 2000);
