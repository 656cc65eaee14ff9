import { expect, test, vi } from 'vitest';
import { canvasOf, warn, warningOf } from '../src/pages/card';
import { noticeProvider } from '../src/pages/notice';
import { requestsOf } from '../src/pages/request-link';

const TEXTS = { message: 'nobody', description: 'start one' };
const SIGNED = { type: 'webhook', config: { sidehook: { signature: { scheme: 'github' } } } };

/** NocoBase with a sidehook that was silent for so long, and a workflow. */
function nocobase(silentFor: number, workflow: object | null) {
  const request = vi.fn(async ({ url }: { url: string }) => {
    const status = { url: null, reachable: null, instances: [{ id: 0, generation: 1, silentFor }] };
    return { data: { data: url === 'sidehook:status' ? status : workflow } };
  });
  return { api: { request }, notices: noticeProvider({ request }, () => TEXTS) };
}

test('a card warns where no sidehook is alive that its webhook needs', async () => {
  const { api, notices } = nocobase(40, SIGNED);
  expect(await warningOf('7', api, notices)).toBe('nobody');
  expect(api.request).toHaveBeenLastCalledWith(expect.objectContaining({ params: { filterByTk: '7' } }));
  const others = [{ type: 'schedule' }, { type: 'webhook', config: {} }, null];
  for (const workflow of others) {
    const { api, notices } = nocobase(40, workflow);
    expect(await warningOf('7', api, notices)).toBeUndefined();
  }
});

test('as long as a sidehook is alive no workflow is asked for', async () => {
  const { api, notices } = nocobase(1, SIGNED);
  expect(await warningOf('7', api, notices)).toBeUndefined();
  expect(await warningOf('7', api, notices)).toBeUndefined();
  expect(api.request).toHaveBeenCalledOnce();
});

test('those who may not know are not warned', async () => {
  const request = async () => {
    throw new Error('403');
  };
  const notices = noticeProvider({ request }, () => TEXTS);
  expect(await warningOf('7', { request }, notices)).toBeUndefined();
});

test('a warning goes when sidehook is back', () => {
  const attributes = new Map<string, string>();
  const setAttribute = vi.fn((name: string, value: string) => void attributes.set(name, value));
  const card = {
    setAttribute,
    getAttribute: (name: string) => attributes.get(name) ?? null,
    removeAttribute: (name: string) => void attributes.delete(name),
  };
  warn(card, undefined);
  warn(card, 'nobody');
  warn(card, 'nobody');
  expect([...attributes.values()]).toEqual(['nobody']);
  expect(setAttribute).toHaveBeenCalledOnce();
  warn(card, undefined);
  expect(attributes.size).toBe(0);
});

test('canvases are told from other pages', () => {
  expect(canvasOf('/admin/settings/workflow/workflows/400120488853504')).toBe('400120488853504');
  expect(canvasOf('/v/admin/workflow/executions/400120487116800')).toBeUndefined();
});

test('the page of an execution of sidehook leads to its request, in the same client', () => {
  const requests = '/admin/settings/sidehook/requests?text=400080569925632';
  expect(requestsOf('/admin/settings/workflow/executions/400080569925632')).toBe(requests);
  expect(requestsOf('/base/v/admin/workflow/executions/400080569925632')).toBe(`/base/v${requests}`);
  // NocoBase has run this one.
  expect(requestsOf('/admin/settings/workflow/executions/400080568713217')).toBeUndefined();
  expect(requestsOf('/admin/settings/workflow/workflows/400080569925632')).toBeUndefined();
});
