import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rushes.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AnalysisSpec(_message.Message):
    __slots__ = ("youtube_uri", "media_id", "transcript", "model", "quality", "features", "language", "output_language", "start_offset", "end_offset", "instructions", "questions")
    class Feature(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FEATURE_UNSPECIFIED: _ClassVar[AnalysisSpec.Feature]
        SUMMARY: _ClassVar[AnalysisSpec.Feature]
        CHAPTERS: _ClassVar[AnalysisSpec.Feature]
        TRANSCRIPT: _ClassVar[AnalysisSpec.Feature]
        SHOTS: _ClassVar[AnalysisSpec.Feature]
        ON_SCREEN_TEXT: _ClassVar[AnalysisSpec.Feature]
        KEYWORDS: _ClassVar[AnalysisSpec.Feature]
    FEATURE_UNSPECIFIED: AnalysisSpec.Feature
    SUMMARY: AnalysisSpec.Feature
    CHAPTERS: AnalysisSpec.Feature
    TRANSCRIPT: AnalysisSpec.Feature
    SHOTS: AnalysisSpec.Feature
    ON_SCREEN_TEXT: AnalysisSpec.Feature
    KEYWORDS: AnalysisSpec.Feature
    YOUTUBE_URI_FIELD_NUMBER: _ClassVar[int]
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    QUESTIONS_FIELD_NUMBER: _ClassVar[int]
    youtube_uri: str
    media_id: str
    transcript: str
    model: str
    quality: _model_pb2.Model.Quality
    features: _containers.RepeatedScalarFieldContainer[AnalysisSpec.Feature]
    language: str
    output_language: str
    start_offset: _duration_pb2.Duration
    end_offset: _duration_pb2.Duration
    instructions: str
    questions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, youtube_uri: _Optional[str] = ..., media_id: _Optional[str] = ..., transcript: _Optional[str] = ..., model: _Optional[str] = ..., quality: _Optional[_Union[_model_pb2.Model.Quality, str]] = ..., features: _Optional[_Iterable[_Union[AnalysisSpec.Feature, str]]] = ..., language: _Optional[str] = ..., output_language: _Optional[str] = ..., start_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., end_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., instructions: _Optional[str] = ..., questions: _Optional[_Iterable[str]] = ...) -> None: ...

class AnalysisDigest(_message.Message):
    __slots__ = ("title", "summary", "chapters", "thumbnail_url", "duration", "language")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    CHAPTERS_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_URL_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    title: str
    summary: str
    chapters: _containers.RepeatedCompositeFieldContainer[Chapter]
    thumbnail_url: str
    duration: _duration_pb2.Duration
    language: str
    def __init__(self, title: _Optional[str] = ..., summary: _Optional[str] = ..., chapters: _Optional[_Iterable[_Union[Chapter, _Mapping]]] = ..., thumbnail_url: _Optional[str] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., language: _Optional[str] = ...) -> None: ...

class Analysis(_message.Message):
    __slots__ = ("job_id", "title", "summary", "key_points", "chapters", "segments", "shots", "screen_texts", "keywords", "answers", "language", "duration", "timing_estimated", "missing_features", "truncated")
    class Segment(_message.Message):
        __slots__ = ("start_offset", "end_offset", "text", "speaker", "confidence")
        START_OFFSET_FIELD_NUMBER: _ClassVar[int]
        END_OFFSET_FIELD_NUMBER: _ClassVar[int]
        TEXT_FIELD_NUMBER: _ClassVar[int]
        SPEAKER_FIELD_NUMBER: _ClassVar[int]
        CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
        start_offset: _duration_pb2.Duration
        end_offset: _duration_pb2.Duration
        text: str
        speaker: str
        confidence: float
        def __init__(self, start_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., end_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., text: _Optional[str] = ..., speaker: _Optional[str] = ..., confidence: _Optional[float] = ...) -> None: ...
    class Shot(_message.Message):
        __slots__ = ("start_offset", "end_offset", "still")
        START_OFFSET_FIELD_NUMBER: _ClassVar[int]
        END_OFFSET_FIELD_NUMBER: _ClassVar[int]
        STILL_FIELD_NUMBER: _ClassVar[int]
        start_offset: _duration_pb2.Duration
        end_offset: _duration_pb2.Duration
        still: Still
        def __init__(self, start_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., end_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., still: _Optional[_Union[Still, _Mapping]] = ...) -> None: ...
    class ScreenText(_message.Message):
        __slots__ = ("start_offset", "end_offset", "text")
        START_OFFSET_FIELD_NUMBER: _ClassVar[int]
        END_OFFSET_FIELD_NUMBER: _ClassVar[int]
        TEXT_FIELD_NUMBER: _ClassVar[int]
        start_offset: _duration_pb2.Duration
        end_offset: _duration_pb2.Duration
        text: str
        def __init__(self, start_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., end_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., text: _Optional[str] = ...) -> None: ...
    class Keyword(_message.Message):
        __slots__ = ("text", "score")
        TEXT_FIELD_NUMBER: _ClassVar[int]
        SCORE_FIELD_NUMBER: _ClassVar[int]
        text: str
        score: float
        def __init__(self, text: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...
    class Answer(_message.Message):
        __slots__ = ("question", "text", "offsets")
        QUESTION_FIELD_NUMBER: _ClassVar[int]
        TEXT_FIELD_NUMBER: _ClassVar[int]
        OFFSETS_FIELD_NUMBER: _ClassVar[int]
        question: str
        text: str
        offsets: _containers.RepeatedCompositeFieldContainer[_duration_pb2.Duration]
        def __init__(self, question: _Optional[str] = ..., text: _Optional[str] = ..., offsets: _Optional[_Iterable[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]]] = ...) -> None: ...
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    KEY_POINTS_FIELD_NUMBER: _ClassVar[int]
    CHAPTERS_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    SHOTS_FIELD_NUMBER: _ClassVar[int]
    SCREEN_TEXTS_FIELD_NUMBER: _ClassVar[int]
    KEYWORDS_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    TIMING_ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    MISSING_FEATURES_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    title: str
    summary: str
    key_points: _containers.RepeatedScalarFieldContainer[str]
    chapters: _containers.RepeatedCompositeFieldContainer[Chapter]
    segments: _containers.RepeatedCompositeFieldContainer[Analysis.Segment]
    shots: _containers.RepeatedCompositeFieldContainer[Analysis.Shot]
    screen_texts: _containers.RepeatedCompositeFieldContainer[Analysis.ScreenText]
    keywords: _containers.RepeatedCompositeFieldContainer[Analysis.Keyword]
    answers: _containers.RepeatedCompositeFieldContainer[Analysis.Answer]
    language: str
    duration: _duration_pb2.Duration
    timing_estimated: bool
    missing_features: _containers.RepeatedScalarFieldContainer[AnalysisSpec.Feature]
    truncated: bool
    def __init__(self, job_id: _Optional[str] = ..., title: _Optional[str] = ..., summary: _Optional[str] = ..., key_points: _Optional[_Iterable[str]] = ..., chapters: _Optional[_Iterable[_Union[Chapter, _Mapping]]] = ..., segments: _Optional[_Iterable[_Union[Analysis.Segment, _Mapping]]] = ..., shots: _Optional[_Iterable[_Union[Analysis.Shot, _Mapping]]] = ..., screen_texts: _Optional[_Iterable[_Union[Analysis.ScreenText, _Mapping]]] = ..., keywords: _Optional[_Iterable[_Union[Analysis.Keyword, _Mapping]]] = ..., answers: _Optional[_Iterable[_Union[Analysis.Answer, _Mapping]]] = ..., language: _Optional[str] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., timing_estimated: bool = ..., missing_features: _Optional[_Iterable[_Union[AnalysisSpec.Feature, str]]] = ..., truncated: bool = ...) -> None: ...

class Chapter(_message.Message):
    __slots__ = ("start_offset", "end_offset", "title", "text", "still", "uri")
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STILL_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    start_offset: _duration_pb2.Duration
    end_offset: _duration_pb2.Duration
    title: str
    text: str
    still: Still
    uri: str
    def __init__(self, start_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., end_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., title: _Optional[str] = ..., text: _Optional[str] = ..., still: _Optional[_Union[Still, _Mapping]] = ..., uri: _Optional[str] = ...) -> None: ...

class Still(_message.Message):
    __slots__ = ("offset", "url", "url_expire_time")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    URL_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    offset: _duration_pb2.Duration
    url: str
    url_expire_time: _timestamp_pb2.Timestamp
    def __init__(self, offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., url: _Optional[str] = ..., url_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
