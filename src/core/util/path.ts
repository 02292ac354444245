/** Whether an absolute path is the folder itself or below it. Both are taken as they are written. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}
