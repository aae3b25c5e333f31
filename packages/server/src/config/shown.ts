// Writes the settings in force as text, secrets masked: for `check --print`, startup scripts and documentation.
import { DOMAIN_SETTINGS } from './domain-settings.ts';
import { nameInDomain } from './load.ts';
import { PROCESS_SETTINGS } from './process-settings.ts';
import type { DomainSettings, ProcessSettings, Setting, Settings, SettingTable } from './settings.ts';

const MASK = '(secret)';

/** Every setting by name. With DOMAIN_MAP, those of a domain are named `DOMAIN_MAP["host"].name`. */
export function effectiveSettings(settings: Settings): Record<string, string> {
  const texts = tableTexts<ProcessSettings>(PROCESS_SETTINGS, settings);
  for (const [host, domain] of settings.domains) {
    for (const [name, text] of Object.entries(tableTexts<DomainSettings>(DOMAIN_SETTINGS, domain))) {
      texts[nameInDomain(host, name)] = text;
    }
  }
  return texts;
}

/** A setting's default as text; empty without a default, undefined for a required setting. */
export function defaultText(setting: Setting<unknown>): string | undefined {
  const parsed = setting.schema.safeParse(undefined);
  return parsed.success ? valueText(parsed.data) : undefined;
}

function tableTexts<T extends object>(table: SettingTable<T>, values: T): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const name of Object.keys(table) as (keyof T & string)[]) {
    const text = valueText(values[name]);
    texts[name] = text !== '' && table[name].secret ? MASK : text;
  }
  return texts;
}

function valueText(value: unknown): string {
  if (value === undefined) return '';
  if (value instanceof URL) return value.href.replace(/\/\/[^/]*@/, '//…@'); // without user and password
  const text = Array.isArray(value) ? value.join(', ') : String(value);
  return text.replaceAll('\n', '\\n'); // PEM has several lines, and a setting is printed on one
}
