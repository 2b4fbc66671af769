//! The same against an emulator that others wrote, filled by Google's own client.

use crate::house::google::Drongo;

#[test]
fn what_googles_client_has_written_is_read() {
    let Some(drongo) = Drongo::start() else {
        return;
    };
    drongo.client(
        "put('openai-key', b'v1', b'v2')\n\
         put('app', b'{\"user\": \"u\", \"db\": {\"pass\": \"p\"}}')\n\
         put('bytes', bytes([1, 255, 254]))\n\
         put('empty')\n\
         put('off', b'1')\n\
         client.disable_secret_version(name=f'{parent}/secrets/off/versions/1')\n",
    );
    let vault = "A=gcp:openai-key\nB=gcp:openai-key?version=1\nC=gcp:app#user\nD=gcp:app#db.pass\n\
        E=gcp:projects/imip/secrets/openai-key/versions/latest\nF=gcp:bytes\n\
        G=gcp:none?default=d\nH=<${gcp:openai-key}>\n";
    let answer = drongo.shim().file(".vault", vault).environment().quiet();
    answer
        .has("A", "v2")
        .has("B", "v1")
        .has("C", "u")
        .has("D", "p")
        .has("E", "v2")
        .has("F", b"\x01\xff\xfe")
        .has("G", "d")
        .has("H", "<v2>");
    let off = "A=gcp:off?version=1\n";
    let answer = drongo.shim().file(".vault", off).refused();
    answer
        .says("the version `1` of the secret `off` in the project imip is disabled")
        .says("hint: gcloud secrets versions enable 1 --secret=off --project=imip");
}

#[test]
fn a_whole_project_is_imported() {
    let Some(drongo) = Drongo::start() else {
        return;
    };
    drongo.client("for n in range(40):\n    put(f'imip-key-{n}', str(n).encode())\n");
    let shim = || drongo.shim().env("SECRET_MANAGER_TYPE", "gcp");
    shim().environment().quiet().has("IMIP_KEY_39", "39");
    let shim = drongo.shim().env("ENVSHIM_IMPORT", "gcp:imip-*");
    let answer = shim.environment().quiet();
    answer
        .has("KEY_0", "0")
        .has("KEY_39", "39")
        .lacks("IMIP_KEY_0");
}

#[test]
fn names_versions_and_ages_are_those_that_googles_client_sees() {
    let Some(drongo) = Drongo::start() else {
        return;
    };
    let seen = drongo.client(
        "put('imip-a', b'c4n4ry', b'c4n4ry')\n\
         put('imip-empty')\n\
         put('imip-b', b'c4n4ry')\n\
         import json\n\
         def line(name):\n\
         \x20   found = client.get_secret_version(name=f'{parent}/secrets/imip-{name}/versions/latest')\n\
         \x20   changed = found.create_time.strftime('%Y-%m-%dT%H:%M:%SZ')\n\
         \x20   return {'name': name, 'version': found.name.rsplit('/')[-1], 'changed': changed}\n\
         empty = {'name': 'empty', 'version': None, 'changed': None}\n\
         print(json.dumps([line('a'), line('b'), empty], separators=(',', ':')))\n",
    );
    let answer = drongo.shim().args("ls --json gcp:imip-*").run().ok();
    assert_eq!(answer.hides("c4n4ry").out, seen);
}
