"""Runs the steps of release.yml; see the script beside it. release.py FOLDER TARGET..., with a clone in FOLDER/clone."""

import glob, os, re, shutil, subprocess, sys, time, yaml

folder, targets = sys.argv[1], sys.argv[2:]
clone, kept, told = (os.path.join(folder, name) for name in ('clone', 'artifacts', 'told'))
workflow = yaml.safe_load(open(os.path.join(clone, '.github/workflows/release.yml')))
version = re.search(r'^version = "(.*)"', open(os.path.join(clone, 'Cargo.toml')).read(), re.M)[1]
given = os.environ.get('SIDEHOOK_RELEASE_EXECUTABLE')
packers = os.path.expanduser('~/.cache/sidehook-packages')

# Steps that are scripts of ours: run as they are. The others: what stands for them here, or why they are left out.
RUN = {
    'checks': {'The tag is that of the version, and the change log has it'},
    'build': {'Build', 'It does what its nodes promise', 'Pack'},
    'plugin': {'Build'},
    'image': {'The tags, without the v', 'Sign without a key'},
    'publish': {'Publish, with the part of the change log'},
}
LEFT_OUT = {
    'Install what brings the rest': 'packages of Debian, installed by the script beside this one',
    'Install Rust as rust-toolchain.toml says': 'Rust is here',
    'Install Rust as rust-toolchain.toml says, and what packs': 'Rust is here; what packs is installed in the versions named',
    'Everything that has to hold': '.ci/full has begun with it',
    'actions/checkout': 'a clone is there',
    'actions/setup-node': 'Node.js is here',
    'Swatinem/rust-cache': 'nothing is kept',
    'actions/attest-build-provenance': 'needs an identity of GitHub',
    'docker/setup-buildx-action': 'needs Docker',
    'docker/login-action': 'needs a registry',
    'docker/build-push-action': 'tests/image/build builds the image',
    'sigstore/cosign-installer': 'cosign only writes down what it is asked',
}


def stub(name):
    """A program that writes its arguments down, one call a line."""
    path = os.path.join(folder, 'bin', name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as file:
        file.write(f'#!/bin/sh\nprintf "%s" {name} >>"{told}"; printf " [%s]" "$@" >>"{told}"; echo >>"{told}"\n')
    os.chmod(path, 0o755)


def filled(text, known):
    """The text with GitHub's expressions replaced."""
    def value(match):
        name = match[1].strip()
        if name not in known:
            sys.exit(f'FAILED: nothing here stands for ${{{{ {name} }}}}')
        return known[name]
    return re.sub(r'\$\{\{(.*?)\}\}', value, str(text))


def packing_tools(script):
    """Installs what a step asks cargo to install, once: it is kept between runs, and tests/image/packages has it there, too."""
    for name, wanted in re.findall(r'(cargo-[a-z]+)@([\d.]+)', script):
        if not os.path.exists(os.path.join(packers, 'bin', name)):
            subprocess.run(['cargo', 'install', '--quiet', '--locked', '--debug', '--root', packers, f'{name}@{wanted}'], check=True)


def run(job, step, script, known, tag, place):
    output = os.path.join(folder, 'output')
    open(output, 'w').close()
    env = dict(os.environ, GITHUB_REF_NAME=tag, GITHUB_OUTPUT=output, GITHUB_WORKSPACE=clone, GITHUB_SHA=known['github.sha'], CI='true')
    env['PATH'] = ':'.join([os.path.join(folder, 'bin'), os.path.join(packers, 'bin'), env['PATH']])
    for holder in (workflow, job, step):
        env.update({name: filled(value, known) for name, value in holder.get('env', {}).items()})
    # In a container GitHub takes sh, elsewhere bash.
    shell = 'sh' if 'container' in job else 'bash'
    subprocess.run([shell, '-e', '-c', filled(script, known)], cwd=os.path.join(clone, place), env=env, check=True)
    if 'id' in step:
        for line in open(output):
            name, _, value = line.rstrip('\n').partition('=')
            known[f"steps.{step['id']}.outputs.{name}"] = value


def go(name, job, known, tag):
    for step in job['steps']:
        title = step.get('name') or step['uses'].split('@')[0]
        begun = time.monotonic()
        if (name, title) == ('build', 'Build') and given:
            place = os.path.join(clone, 'target', known['matrix.target'], 'dist')
            os.makedirs(place)
            shutil.copy(given, place)
            print(f'  --  {name}: {title}: left out, {given} is taken', flush=True)
        elif title in RUN[name]:
            run(job, step, step['run'], known, tag, step.get('working-directory', '.'))
            print(f'  ok  {name}: {title} ({time.monotonic() - begun:.0f} s)', flush=True)
        elif title == 'actions/upload-artifact':
            shutil.copytree(os.path.join(clone, 'out'), os.path.join(kept, filled(step['with']['name'], known)))
            shutil.rmtree(os.path.join(clone, 'out'))
        elif title == 'actions/download-artifact':
            for file in glob.glob(os.path.join(kept, '*', '*')):
                os.makedirs(os.path.join(clone, 'out'), exist_ok=True)
                shutil.copy(file, os.path.join(clone, 'out'))
        elif title in LEFT_OUT:
            packing_tools(step.get('run', ''))
            if step.get('id') == 'push':
                known['steps.push.outputs.digest'] = 'sha256:' + '0' * 64
            print(f'  --  {name}: {title}: left out, {LEFT_OUT[title]}', flush=True)
        else:
            sys.exit(f'FAILED: nobody has decided how "{title}" of {name} is tried')


stub('gh')
stub('cosign')
tag = f'v{version}'
sha = subprocess.run(['git', 'rev-parse', 'HEAD'], cwd=clone, capture_output=True, text=True, check=True).stdout.strip()
jobs = workflow['jobs']
assert list(jobs) == list(RUN), f'the jobs are {list(jobs)}'
common = {'github.sha': sha, 'github.token': 'none', 'github.actor': 'nobody'}
go('checks', jobs['checks'], dict(common), tag)
for entry in jobs['build']['strategy']['matrix']['include']:
    if entry['target'] in targets:
        print(f"== {entry['target']}", flush=True)
        go('build', jobs['build'], common | {f'matrix.{name}': value for name, value in entry.items()}, tag)
go('plugin', jobs['plugin'], dict(common), tag)
known = dict(common)
go('image', jobs['image'], known, tag)
image = jobs['image']['env']['IMAGE']
minor = version.rpartition('.')[0]
assert known['steps.tags.outputs.tags'] == f'{image}:{version},{image}:{minor},{image}:latest', known
early = dict(common)
go('image', {**jobs['image'], 'steps': jobs['image']['steps'][3:4]}, early, 'v9.9.9-rc.1')
assert early['steps.tags.outputs.tags'] == f'{image}:9.9.9-rc.1', early
go('publish', jobs['publish'], dict(common), tag)

lines = open(told).read().splitlines()
assert lines[0] == f"cosign [sign] [--yes] [{image}@sha256:{'0' * 64}]", lines
release = lines[1]
assert release.startswith(f'gh [release] [create] [{tag}] [--verify-tag] [--title] [sidehook {version}] [--notes-file] [notes.md] [out/'), release
out = os.path.join(clone, 'out')
files = sorted(os.listdir(out))
assert all(f'[out/{file}]' in release for file in files), release
expected = ['SHA256SUMS', f'sidehook-plugin-workflow-webhook-{version}.tgz'] + [f'sidehook-{version}-{target}.tar.gz' for target in targets]
assert set(expected) <= set(files), files
assert any(file.endswith('.deb') for file in files) or not any(target.endswith('-gnu') for target in targets), files
subprocess.run(['sha256sum', '--check', '--quiet', 'SHA256SUMS'], cwd=out, check=True)
notes = open(os.path.join(clone, 'notes.md')).read()
assert '### Added' in notes and '\n## [' not in notes, notes[:200]
print(f'  ok  what would be published of {tag}:')
for file in files:
    print(f'      {os.path.getsize(os.path.join(out, file)):>10} {file}')
