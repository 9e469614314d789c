/** Replaces line breaks and other control characters by spaces, so that the text cannot forge a log line. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}
