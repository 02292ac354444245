import type { Common, Format } from './common.ts';
import { writeJson } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { palette } from '../words/colour.ts';
import { widest } from '../words/table.ts';
import { padEnd } from '../words/width.ts';

/** Reports what this machine lacks. Fails when something essential is missing. */
export async function doctor(
  { context, services }: Common,
  options: { readonly format: Format },
): Promise<ExitStatus> {
  const facts = await services.doctorFacts();
  const status = facts.some(({ state }) => state === 'missing') ? EXIT.failure : EXIT.ok;
  if (options.format === 'json') {
    writeJson(context, { ok: status === EXIT.ok, checks: facts });
    return status;
  }
  const colours = palette(context.color);
  const icons = { good: colours.green('✔'), weak: colours.yellow('!'), missing: colours.red('✖') };
  const width = widest(facts.map(({ name }) => name));
  for (const { name, state, found, hint } of facts) {
    context.stdout.write(` ${icons[state]} ${padEnd(name, width)}  ${found}\n`);
    if (hint !== undefined) context.stdout.write(`   ${' '.repeat(width)}  ${colours.dim(hint)}\n`);
  }
  return status;
}
