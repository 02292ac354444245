import { expect, it } from 'vitest';
import { explainWatchFailure } from '../../src/watching/watch-failure.ts';

const table: [code: string, said: RegExp, todo: RegExp][] = [
  ['ENOSPC', /^cannot watch all of \/app: the system's limit of watched files/, /max_user_watches/],
  ['EMFILE', /^cannot watch \/app: too many files are open/, /max_user_instances/],
  ['EACCES', /^cannot watch \/app: permission denied/, /`watch\.ignore`/],
  ['EIO', /^cannot watch \/app: it broke$/, /./],
];
for (const [code, said, todo] of table) {
  it(`says of ${code} what it means and what to do`, () => {
    const reason = explainWatchFailure(Object.assign(new Error('it broke'), { code }), '/app');
    expect(reason).toMatch(said);
    expect(reason).toMatch(todo);
  });
}
