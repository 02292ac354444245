import type { TestCase, TestModule } from 'vitest/node';
import type { Reporter } from 'vitest/reporters';

/** Lists what was skipped with why, and closes with one line that counts all tests. */
export default class ClosingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const by = (state: string): TestCase[] => tests.filter((test) => test.result().state === state);
    const skipped = by('skipped');
    for (const test of skipped) {
      const result = test.result();
      const note = result.state === 'skipped' ? result.note : undefined;
      process.stdout.write(`skipped: ${test.fullName}: ${note ?? 'no reason given'}\n`);
    }
    const broken = modules.filter((module) => module.state() === 'failed' && module.children.size === 0);
    const failed = by('failed').length + broken.length;
    process.stdout.write(`${by('passed').length} passed, ${failed} failed, ${skipped.length} skipped\n`);
  }
}
