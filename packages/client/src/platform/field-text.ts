// Text as the value of a field: in UTF-8, one character per byte, as in all fields (SPEC §5.5).
export function fieldTextOf(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}
