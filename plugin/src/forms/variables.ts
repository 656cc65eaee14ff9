// What later nodes can pick of the trigger and of the node.

import type { Item, TriggerConfig } from '../server/config';
import { isReferable, isWhole, nameOf, parametersOf, rowsOf } from './items';
import type { Translate } from './locale';

export interface VariableOption {
  value: string;
  label: string;
  children?: VariableOption[];
  disabled?: boolean;
}

/** Inputs may ask for options under other names. */
export interface FieldNames {
  label?: string;
  value?: string;
  children?: string;
}

/** Options as an input takes them. */
export function named(options: VariableOption[], names: FieldNames = {}): Record<string, unknown>[] {
  const { label = 'label', value = 'value', children = 'children' } = names;
  return options.map((option) => ({
    key: option.value,
    [value]: option.value,
    [label]: option.label,
    ...(option.disabled ? { disabled: true } : {}),
    ...(option.children ? { [children]: named(option.children, names) } : {}),
  }));
}

/** The members of `$context`. A group without children is picked as a whole. */
export function contextOptions(config: TriggerConfig | undefined, t: Translate): VariableOption[] {
  const request = config?.request;
  const options = [
    group('headers', t('Headers'), rowsOf(request, 'headers').map(option)),
    group('query', t('Query parameters'), rowsOf(request, 'query').map(option)),
    ...(request ? [group('body', t('Body'), rowsOf(request, 'body').map(option))] : []),
  ];
  const parameters = parametersOf(config).map((name) => ({ value: name, label: name }));
  if (config?.sidehook?.rawBody === true) options.push(group('rawBody', t('Body as it was sent'), []));
  if (isWhole(config)) {
    options.push(group('data', t('Whole body'), []), group('params', t('Path parameters'), parameters));
    return options;
  }
  if (parameters.length) options.push(group('params', t('Path parameters'), parameters));
  return options.filter(({ value, children }) => children || value === 'rawBody');
}

/** The members of a response node's result. */
export function replyOptions(t: Translate): VariableOption[] {
  return [
    group('statusCode', t('Status code'), []),
    group('headers', t('Headers'), []),
    group('body', t('Body'), []),
  ];
}

function group(value: string, label: string, children: VariableOption[]): VariableOption {
  return children.length ? { value, label, children } : { value, label };
}

function option(item: Item): VariableOption {
  // Rows that came another way than through the form may have names that templates cannot hold.
  return {
    value: nameOf(item),
    label: item.alias || item.key,
    ...(isReferable(item) ? {} : { disabled: true }),
  };
}
