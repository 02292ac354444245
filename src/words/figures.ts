import { formatSize } from '../core/util/duration.ts';

/** `0.4 %`, `11 %`, `240 %`; `-` where nothing is known. */
export function percentText(percent: number | undefined): string {
  if (percent === undefined) return '-';
  const tenths = Math.round(Math.max(0, percent) * 10) / 10;
  return `${tenths < 10 ? tenths.toFixed(1) : Math.round(tenths)} %`;
}

export function sizeText(bytes: number | undefined): string {
  return bytes === undefined ? '-' : formatSize(bytes);
}
