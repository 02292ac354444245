import type { ReloadResponse } from '../core/api.ts';
import { changeLines, describeCounts } from '../words/counts.ts';
import { countSteps, serviceChanges } from '../core/reload.ts';
import { withDaemon, type Common, type Format } from './common.ts';
import { writeJson, type CliContext } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { diagnosticsText, tally } from '../words/diagnostics.ts';
import { whatKeepsRunning } from '../words/instances.ts';

export interface ReloadOptions {
  /** Confirms what is held for review. */
  readonly yes: boolean;
  readonly format: Format;
}

/** Has the daemon take the manifest up as it is now. Returns once that has begun. */
export function reload(common: Common, options: ReloadOptions): Promise<ExitStatus> {
  return withDaemon(common, async (client) => {
    const response = await client.reload({ confirm: options.yes });
    if (options.format === 'json') writeJson(common.context, response);
    else print(common.context, response);
    return response.outcome === 'invalid' || response.outcome === 'held' ? EXIT.usage : EXIT.ok;
  });
}

function print(context: CliContext, { outcome, diagnostics, plan, snapshot }: ReloadResponse): void {
  if (diagnostics.length > 0) {
    const keeps = outcome === 'invalid' ? whatKeepsRunning(snapshot) : undefined;
    const unchanged = outcome === 'invalid' ? ' Nothing was changed' : '';
    const verdict = `${tally(diagnostics) ?? ''}.${unchanged}${keeps === undefined ? '' : `; ${keeps}`}`;
    context.stderr.write(
      `${diagnosticsText(diagnostics, context)}\n${verdict}${unchanged === '' ? '' : '.'}\n`,
    );
  }
  if (plan === undefined) return;
  for (const line of changeLines(serviceChanges(plan))) context.stdout.write(`${line}\n`);
  if (outcome === 'unchanged') context.stdout.write('Nothing to do.\n');
  if (outcome === 'held') {
    const counts = describeCounts(countSteps(plan));
    context.stdout.write(`Held for review: ${counts}. \`setpoint reload --yes\` confirms it.\n`);
  }
}
