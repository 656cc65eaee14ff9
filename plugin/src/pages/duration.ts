// Times in the words of a language.

/** The longest unit of which it is a whole number, such as `7 days`. */
export function textOfDuration(seconds: number, language: string): string {
  const lengths = { day: 86_400, hour: 3600, minute: 60, second: 1 };
  const [unit, length] = Object.entries(lengths).find(([, length]) => seconds % length === 0) ?? [
    'second',
    1,
  ];
  const options = { style: 'unit', unit, unitDisplay: 'long', maximumFractionDigits: 0 } as const;
  return new Intl.NumberFormat(language, options).format(seconds / length);
}
