//! Throttling, and refusals that an emulator cannot be brought to: a fake that answers as AWS does.

use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::house::Shim;
use crate::house::server::{Seen, Server, answer};

/// A secret as AWS gives it.
fn given() -> Vec<u8> {
    answer(
        200,
        "",
        r#"{"ARN":"arn:aws:secretsmanager:us-east-1:1:secret:app-AbCdEf","Name":"app","VersionId":"v1","SecretString":"s3cr3t"}"#,
    )
}

/// A refusal as AWS gives it.
fn refusal(status: u16, code: &str, message: &str) -> Vec<u8> {
    let body = format!("{{\"__type\":\"com.amazonaws#{code}\",\"message\":\"{message}\"}}");
    answer(status, "Content-Type: application/x-amz-json-1.1\r\n", body)
}

fn shim(server: &Server) -> Shim {
    Shim::new()
        .file(".vault", "A=aws:app\n")
        .env("AWS_ENDPOINT_URL", server.url())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "AKIDc4n4ry")
        .env("AWS_SECRET_ACCESS_KEY", "c4n4ry/key")
        .env("AWS_SESSION_TOKEN", "c4n4ry/token")
}

#[test]
fn refusals_have_their_cause_and_cure() {
    for (status, code, message, said, hint) in [
        (
            400,
            "ExpiredTokenException",
            "m",
            "the AWS credentials have expired",
            "hint: get new ones",
        ),
        (
            400,
            "UnrecognizedClientException",
            "m",
            "AWS does not know the access key",
            "hint: is it switched off",
        ),
        (
            400,
            "InvalidSignatureException",
            "The request signature we calculated does not match",
            "the secret access key is not that",
            "hint: set both anew",
        ),
        (
            400,
            "AccessDeniedException",
            "Access to KMS is not allowed",
            "its KMS key may not be used",
            "hint: allow kms:Decrypt",
        ),
        (
            400,
            "DecryptionFailure",
            "m",
            "its KMS key may not be used",
            "hint: allow kms:Decrypt",
        ),
        (
            400,
            "AccessDeniedException",
            "User: arn:aws:sts::12:assumed-role/app/i-1 is not authorized to perform: secretsmanager:GetSecretValue on resource: app because no identity-based policy allows it",
            "secretsmanager:GetSecretValue is denied on `app` in us-east-1 for arn:aws:sts::12:assumed-role/app/i-1\n",
            "hint: allow secretsmanager:GetSecretValue on arn:aws:secretsmanager:us-east-1:12:secret:app-??????\n",
        ),
        (
            400,
            "AccessDeniedException",
            "User: arn:aws:iam::12:user/x is not authorized to perform: secretsmanager:GetSecretValue on resource: app with an explicit deny in a service control policy",
            "is denied by an explicit deny on `app`",
            "hint: a policy of the role, of the secret or of the organisation denies it",
        ),
        (
            403,
            "OptInRequired",
            "m",
            "the account does not use this region",
            "hint: switch the region on",
        ),
        (
            400,
            "SomethingNew",
            "c4n4ry",
            "AWS answers SomethingNew for `app` in us-east-1\n",
            "",
        ),
    ] {
        let body = refusal(status, code, message);
        let server = Server::http(move |_| body.clone());
        let answer = shim(&server).refused();
        answer.says(said).says(hint).hides("c4n4ry");
        assert_eq!(server.seen().len(), 1, "{code} is not asked again");
    }
}

#[test]
fn a_server_that_is_not_aws_is_told_as_such() {
    let server = Server::http(|_| answer(403, "", "<html>c4n4ry</html>"));
    shim(&server)
        .refused()
        .says("AWS answers no reason (status 403)")
        .hides("c4n4ry");
    let server = Server::http(|_| answer(200, "", "<html>c4n4ry</html>"));
    shim(&server)
        .refused()
        .says("the answer is not one of AWS")
        .hides("c4n4ry");
}

#[test]
fn a_wrong_clock_is_told_by_how_much() {
    let body = r#"{"__type":"InvalidSignatureException","message":"Signature expired: 20200101T000000Z is now earlier than 20300101T000000Z"}"#;
    let server =
        Server::http(move |_| answer(400, "Date: Tue, 01 Jan 2030 00:00:00 GMT\r\n", body));
    let answer = shim(&server).refused();
    answer
        .says("the clock of this machine is ")
        .says(" days behind, so that AWS refuses the signature")
        .says("hint: set the clock");
}

#[test]
fn what_passes_is_asked_again_three_times() {
    for (status, code) in [(500, "InternalServiceError"), (503, "ServiceUnavailable")] {
        let server = Server::http(move |seen: &Seen| match seen.number {
            0 | 1 => refusal(status, code, "m"),
            _ => given(),
        });
        shim(&server).environment().quiet().has("A", "s3cr3t");
        let server = Server::http(move |_| refusal(status, code, "m"));
        shim(&server)
            .refused()
            .says(&format!("AWS answers {code} (status {status})"));
        assert_eq!(server.seen().len(), 3);
        let server = Server::http(move |_| refusal(status, code, "m"));
        shim(&server).env("AWS_MAX_ATTEMPTS", "1").refused();
        assert_eq!(server.seen().len(), 1);
    }
    let cut = Server::raw(|_, _| {});
    shim(&cut).refused();
    assert_eq!(cut.connections(), 3);
}

#[test]
fn throttling_is_waited_out_until_the_deadline() {
    let server = Server::http(|seen: &Seen| match seen.number {
        0..4 => refusal(400, "ThrottlingException", "Rate exceeded"),
        _ => given(),
    });
    shim(&server).environment().quiet().has("A", "s3cr3t");
    let server = Server::http(|_| refusal(400, "ThrottlingException", "Rate exceeded"));
    let begun = Instant::now();
    let answer = shim(&server).args("--timeout 2s").refused();
    answer
        .says("AWS asks to slow down: ThrottlingException")
        .says("hint: give it more time");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let server = Server::http(|_| refusal(400, "ThrottlingException", "Rate exceeded"));
    shim(&server).env("AWS_MAX_ATTEMPTS", "2").refused();
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn the_wait_that_aws_wishes_for_is_kept() {
    // A wait of ours would be 50 ms at most.
    let server = Server::http(|seen: &Seen| match seen.number {
        0 => answer(503, "x-amz-retry-after: 700\r\n", "{}"),
        _ => given(),
    });
    let begun = Instant::now();
    shim(&server).environment().quiet().has("A", "s3cr3t");
    assert!(begun.elapsed() >= Duration::from_millis(700));
    // Neither a day nor a word is waited for: it raises a wait by five seconds at most.
    for wish in ["86400000", "-1", "soon"] {
        let server = Server::http(move |seen: &Seen| match seen.number {
            0 => answer(503, &format!("x-amz-retry-after: {wish}\r\n"), "{}"),
            _ => given(),
        });
        shim(&server).args("--timeout 20s").environment().quiet();
    }
}

/// As many requests a second as AWS grants; the others are throttled.
struct Bucket {
    full: Instant,
    taken: u32,
}

#[test]
fn a_thousand_containers_start_at_once() {
    const CONTAINERS: usize = 1000;
    const A_SECOND: u32 = 100;
    let bucket = Mutex::new(Bucket {
        full: Instant::now(),
        taken: 0,
    });
    let server = Server::http(move |_| {
        let mut bucket = bucket.lock().expect("the bucket");
        if bucket.full.elapsed() >= Duration::from_secs(1) {
            bucket.full = Instant::now();
            bucket.taken = 0;
        }
        bucket.taken += 1;
        match bucket.taken {
            0..=A_SECOND => given(),
            _ => refusal(400, "ThrottlingException", "Rate exceeded"),
        }
    });
    let shim = shim(&server)
        .args("--timeout 60s -- sh -c")
        .arg("test \"$A\" = s3cr3t");
    let start = || {
        let mut command = shim.command();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        command.spawn().expect("envshim starts")
    };
    let mut running: Vec<Child> = (0..CONTAINERS).map(|_| start()).collect();
    let ends = running
        .iter_mut()
        .map(|child| child.wait().expect("an end"));
    let failed = ends.filter(|status| !status.success()).count();
    assert_eq!(failed, 0);
    assert!(server.seen().len() > CONTAINERS, "nobody was throttled");
}
