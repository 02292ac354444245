import type { Common, Format } from './common.ts';
import { writeJson } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { versionFacts, versionText } from './product.ts';

export function version({ context }: Common, options: { readonly format: Format }): ExitStatus {
  if (options.format === 'json') writeJson(context, versionFacts());
  else context.stdout.write(`${versionText()}\n`);
  return EXIT.ok;
}
