// The plugin's half in NocoBase's classic client. It shares its forms with the newer one.

import { Plugin } from '@nocobase/client';
import { register } from '../forms/register';
import { pages } from '../pages/list';

export default class PluginSidehookClient extends Plugin {
  async load() {
    register(this.app.pm.get('workflow'));
    const { pluginSettingsManager: settings } = this.app;
    settings.add('sidehook', { title: 'sidehook', icon: 'ApiOutlined' });
    for (const { key, ...page } of pages((text) => this.t(text), { workflow: '/admin/settings/workflow' }))
      settings.add(`sidehook.${key}`, page);
  }
}
