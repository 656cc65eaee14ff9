// The plugin's half in NocoBase's classic client. It shares its forms with the newer one.

import { Plugin } from '@nocobase/client';
import { register } from '../forms/register';
import { markExecutions } from '../pages/badge';
import { pages, tellOfSilence } from '../pages/list';

export default class PluginSidehookClient extends Plugin {
  async load() {
    const { pm, pluginSettingsManager: settings, apiClient } = this.app;
    const t = (text: string) => this.t(text);
    register(pm.get('workflow'));
    tellOfSilence(pm.get('workflow'), apiClient, t);
    markExecutions(apiClient, t);
    settings.add('sidehook', { title: 'sidehook', icon: 'ApiOutlined' });
    for (const { key, ...page } of pages(t, { workflow: '/admin/settings/workflow' }))
      settings.add(`sidehook.${key}`, page);
  }
}
