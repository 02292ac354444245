import { spawn } from 'node:child_process';

/**
 * Opens a file in the person's editor (VISUAL, then EDITOR, then vi) on this process's terminal. Resolves once the editor
 * has ended, with what went wrong. The variable may hold arguments, so a shell reads it, as git does.
 */
export function editFile(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): Promise<string | undefined> {
  const editor = [env['VISUAL'], env['EDITOR']].find((one) => one !== undefined && one.trim() !== '') ?? 'vi';
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'sh', path], {
      cwd,
      env: { ...env },
      stdio: 'inherit',
    });
    child.once('error', (error) => resolve(`${editor}: ${error.message}`));
    child.once('exit', (code, signal) => {
      if (code === 0) resolve(undefined);
      else if (code === 127) resolve(`${editor} was not found: set EDITOR`);
      else resolve(`${editor} ended with ${code ?? signal ?? 'nothing'}`);
    });
  });
}
