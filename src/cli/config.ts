import { loadRequest, locate, type Common, type LoadOptions } from './common.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { diagnosticsText, hasErrors, tally } from '../words/diagnostics.ts';

export interface ConfigOptions extends LoadOptions {
  readonly format: 'text' | 'yaml' | 'json';
  readonly origin: boolean;
}

/** Prints the manifest as it is understood: merged, interpolated, secrets masked. */
export async function config(common: Common, options: ConfigOptions): Promise<ExitStatus> {
  const { context } = common;
  const located = await locate(common, true);
  if (!located.ok) return located.error;
  const { diagnostics, render } = await common.services.loadManifest(
    loadRequest(common, located.value, options, []),
  );
  if (diagnostics.length > 0) {
    context.stderr.write(`${diagnosticsText(diagnostics, context)}\n${tally(diagnostics) ?? ''}.\n`);
  }
  if (hasErrors(diagnostics) || render === undefined) return EXIT.usage;
  const text = render(options.format === 'json' ? 'json' : 'yaml', options.origin);
  context.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  return EXIT.ok;
}
