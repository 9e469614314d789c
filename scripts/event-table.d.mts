export function withEventTable(page: string): Promise<string>;
