// The plugin's half in NocoBase's newer client. It shares its forms with the classic one.

import { Plugin } from '@nocobase/client-v2';
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
    settings.addMenuItem({ key: 'sidehook', title: 'sidehook', icon: 'ApiOutlined' });
    for (const page of pages(t, { workflow: '/admin/workflow' }))
      settings.addPageTabItem({ menuKey: 'sidehook', ...page });
  }
}
