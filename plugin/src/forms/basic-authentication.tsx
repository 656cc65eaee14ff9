// `basicAuthentication: false | {username, password}`.

import { Form, Input, Space, Switch } from 'antd';
import type { TriggerConfig } from '../server/config';
import { useT } from './locale';
import type { Control } from './part';

export function BasicAuthentication({ value, onChange }: Control<TriggerConfig['basicAuthentication']>) {
  const t = useT();
  const change = (member: 'username' | 'password', text: string) =>
    onChange?.({ username: '', password: '', ...(value || {}), [member]: text });
  return (
    <Form.Item label={t('Basic authentication')} style={{ margin: 0 }}>
      <Space direction="vertical" style={{ width: '100%' }}>
        <Switch
          aria-label={t('Basic authentication')}
          checked={Boolean(value)}
          onChange={(on) => onChange?.(on ? { username: '', password: '' } : false)}
        />
        {value && (
          <Space.Compact block>
            <Input
              value={value.username}
              placeholder={t('User name')}
              aria-label={t('User name')}
              autoComplete="off"
              onChange={(event) => change('username', event.target.value)}
            />
            <Input.Password
              value={value.password}
              placeholder={t('Password')}
              aria-label={t('Password')}
              autoComplete="new-password"
              onChange={(event) => change('password', event.target.value)}
            />
          </Space.Compact>
        )}
      </Space>
    </Form.Item>
  );
}
