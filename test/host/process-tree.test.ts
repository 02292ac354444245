import { expect, test } from 'vitest';
import { processTree } from '../../src/host/process-tree.ts';

test('each process names its parent where that is one of them, and commands are masked', () => {
  const parents = new Map([
    [10, 1],
    [11, 10],
    [12, 11],
  ]);
  const members = [
    { pid: 12, command: 'worker --token hunter2' },
    { pid: 10, command: 'sh' },
    { pid: 11, command: 'node' },
  ];
  const mask = (text: string): string => text.replace('hunter2', '***');
  expect(processTree(members, mask, (pid) => parents.get(pid))).toEqual([
    { pid: 10, command: 'sh' },
    { pid: 11, parent: 10, command: 'node' },
    { pid: 12, parent: 11, command: 'worker --token ***' },
  ]);
});

test.runIf(process.platform === 'linux')('the parent is read from the system', () => {
  const members = [process.pid, process.ppid].map((pid) => ({ pid, command: 'node' }));
  const own = processTree(members, (text) => text).find(({ pid }) => pid === process.pid);
  expect(own?.parent).toBe(process.ppid);
});

test('a unit of very many processes is cut', () => {
  const members = Array.from({ length: 1_000 }, (_, pid) => ({ pid, command: 'fork bomb' }));
  expect(
    processTree(
      members,
      (text) => text,
      () => undefined,
    ).length,
  ).toBeLessThan(100);
});
