import { BodyPipe, QueryPipe, RawBody, RawQuery } from './dto-pipe.js';
import { CallsQuery, JournalPageQuery } from './dto/insight.query.js';
import { CircuitDto } from './dto/circuit.dto.js';
import { DiscoverQuery, ExplainQuery } from './dto/criteria.query.js';
import { DeregisterQuery, HeartbeatDto, HeartbeatsDto } from './dto/lease.dto.js';
import { HealthDto, StatusDto } from './dto/status.dto.js';
import { HealthQuery, ListQuery } from './dto/list.query.js';
import { ReportDto } from './dto/report.dto.js';
import { NoteDto, RolloutDto, ShareDto, SplitDto } from './dto/split.dto.js';
import { WatchDto, WatchQuery } from './dto/watch.query.js';
import { RawRegistration, RegistrationPipe } from './registration-pipe.js';

/*
 * The parameters of the API's handlers. They stand here, and the handlers import the DTOs as types alone, so that no
 * DTO class gets into the metadata of a handler: a global ValidationPipe would take it up, strip fields that are to be
 * refused, and answer in a shape of its own.
 */

/** Body limits. All exceed what is valid, so that the error can name the field that is too long. */
export const REGISTRATION_BYTES = 256 * 1024;
/** One or two short fields. */
const WORD_BYTES = 4 * 1024;
/** A result of a health check with its data, of 64 KiB; a report of a process, with at most 50 entries of 4 KiB. */
const REPORT_BYTES = 256 * 1024;
/** 10,000 leases, or 20,000 names of services. */
const LIST_BYTES = 4 * 1024 * 1024;

export const RegistrationBody = (): ParameterDecorator => RawRegistration(REGISTRATION_BYTES, RegistrationPipe);
export const HeartbeatBody = (): ParameterDecorator =>
  RawBody(WORD_BYTES, new BodyPipe(HeartbeatDto, { optional: true }));
export const HeartbeatsBody = (): ParameterDecorator => RawBody(LIST_BYTES, new BodyPipe(HeartbeatsDto));
export const StatusBody = (): ParameterDecorator => RawBody(WORD_BYTES, new BodyPipe(StatusDto));
export const HealthBody = (): ParameterDecorator => RawBody(REPORT_BYTES, new BodyPipe(HealthDto));
export const ReportBody = (): ParameterDecorator => RawBody(REPORT_BYTES, new BodyPipe(ReportDto));
export const WatchBody = (): ParameterDecorator => RawBody(LIST_BYTES, new BodyPipe(WatchDto));
export const ShareBody = (): ParameterDecorator => RawBody(WORD_BYTES, new BodyPipe(ShareDto));
export const SplitBody = (): ParameterDecorator => RawBody(WORD_BYTES, new BodyPipe(SplitDto));
export const RolloutBody = (): ParameterDecorator => RawBody(WORD_BYTES, new BodyPipe(RolloutDto));
export const NoteBody = (): ParameterDecorator => RawBody(WORD_BYTES, new BodyPipe(NoteDto, { optional: true }));
export const CircuitBody = (): ParameterDecorator => RawBody(WORD_BYTES, new BodyPipe(CircuitDto));

export const CallsParams = (): ParameterDecorator => RawQuery(new QueryPipe(CallsQuery));
export const JournalParams = (): ParameterDecorator => RawQuery(new QueryPipe(JournalPageQuery));
export const DeregisterParams = (): ParameterDecorator => RawQuery(new QueryPipe(DeregisterQuery));
export const DiscoverParams = (): ParameterDecorator => RawQuery(new QueryPipe(DiscoverQuery));
export const ExplainParams = (): ParameterDecorator => RawQuery(new QueryPipe(ExplainQuery));
export const HealthParams = (): ParameterDecorator => RawQuery(new QueryPipe(HealthQuery, { keepEmpty: ['service'] }));
export const ListParams = (): ParameterDecorator => RawQuery(new QueryPipe(ListQuery));
export const WatchParams = (): ParameterDecorator =>
  RawQuery(new QueryPipe(WatchQuery, { keepEmpty: ['services', 'renewals'] }));
