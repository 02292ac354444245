import { relative } from 'node:path';
import { closing, loadRequest, locate, type Common, type Format, type LoadOptions } from './common.ts';
import { writeJson } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { diagnosticsText, hasErrors, tally } from '../words/diagnostics.ts';
import { count } from '../words/text.ts';
import type { ProjectLocation } from '../store/locate.ts';
import { whatKeepsRunning } from '../words/instances.ts';

export interface CheckOptions extends LoadOptions {
  readonly format: Format;
}

/** Reports every problem of the manifest. Changes nothing, running project or not. */
export async function check(common: Common, options: CheckOptions): Promise<ExitStatus> {
  const { context } = common;
  const located = await locate(common, true);
  if (!located.ok) return located.error;
  const { diagnostics, services } = await common.services.loadManifest(
    loadRequest(common, located.value, options, []),
  );
  const status = hasErrors(diagnostics) ? EXIT.usage : EXIT.ok;
  if (options.format === 'json') {
    const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
    writeJson(context, { diagnostics, errors, warnings: diagnostics.length - errors });
    return status;
  }
  const manifest = relative(context.cwd, located.value.manifest);
  if (diagnostics.length > 0) context.stdout.write(`${diagnosticsText(diagnostics, context)}\n`);
  if (status === EXIT.ok) {
    const found = tally(diagnostics);
    context.stdout.write(
      `${manifest}: ${count(services?.length ?? 0, 'service')}, ${found ?? 'no problems'}\n`,
    );
    return status;
  }
  const keeps = await running(common, located.value);
  const end = keeps === undefined ? '' : ` Nothing was changed; ${keeps}.`;
  context.stdout.write(`${tally(diagnostics) ?? ''}.${end}\n`);
  return status;
}

async function running(common: Common, location: ProjectLocation): Promise<string | undefined> {
  const client = await common.services.connect(location);
  if (client === undefined) return undefined;
  return closing(client, async () => whatKeepsRunning(await client.snapshot()));
}
