import { DAEMON_COMMAND } from './cli/daemon-entry.ts';

/** Ends the process, once what was written has been handed over. */
function end(status: number): void {
  process.stdout.write('', () => process.stderr.write('', () => process.exit(status)));
}

async function main(): Promise<number> {
  const argv = process.argv.slice(2);
  if (argv[0] === DAEMON_COMMAND)
    return (await import('./cli/daemon-process.ts')).runDaemonProcess(argv.slice(1));
  const [{ processContext }, { realServices }, { runCli }] = await Promise.all([
    import('./cli/process-context.ts'),
    import('./cli/real-services.ts'),
    import('./cli/run.ts'),
  ]);
  const entry = process.argv[1] ?? '';
  return runCli(
    processContext(argv, () => process.exit(0)),
    realServices({ env: process.env, entry }),
  );
}

void main().then(end);
